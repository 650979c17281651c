// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.look;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.flk.backend.access.tls.TlsFiles;
import dev.flk.program.diagnostics.LocalHttpClient;
import dev.flk.program.health.Finding;
import dev.flk.program.reload.ConfiguredFile.InvalidFileException;
import java.io.IOException;
import java.net.ConnectException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.http.HttpResponse;
import java.security.GeneralSecurityException;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Consumer;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLSocket;

/** The requests to the ports of a running program. With TLS, only the certificate in TLS_CERT is trusted. */
public final class RunningProcess {
    private static final JsonMapper JSON = new JsonMapper();
    private static final String UP = "up";

    private final Optional<TlsFiles> tls;
    private final Duration timeout;
    private final String program;

    /**
     * @param tls the TLS of the ports; empty for plain HTTP
     * @param program the name of the program, which is also the subject of findings
     */
    public RunningProcess(Optional<TlsFiles> tls, Duration timeout, String program) {
        this.tls = tls;
        this.timeout = timeout;
        this.program = program;
    }

    /** Requests {@code /readyz}; finds out whether the program is ready, and which components are down. */
    public void askReadiness(URI probes, Consumer<Finding> found)
            throws IOException, GeneralSecurityException, InvalidFileException {
        boolean isTls = probes.getScheme().equals("https");
        if (isTls && tls.flatMap(TlsFiles::clientAuthorities).isPresent()) {
            found.accept(handshake(probes));
            return;
        }
        LocalHttpClient client = isTls ? new LocalHttpClient(timeout, context()) : new LocalHttpClient(timeout);
        HttpResponse<String> answer;
        try {
            answer = client.ask(probes + "/readyz", Optional.empty());
        } catch (ConnectException e) {
            found.accept(Finding.bad(program, "nothing listens at " + probes + "; start it"));
            return;
        }
        JsonNode components;
        try {
            components = JSON.readTree(answer.body()).path("components");
        } catch (JsonProcessingException e) {
            components = MissingNode.getInstance();
        }
        if (!components.isArray()) {
            found.accept(Finding.bad(
                    program,
                    probes + "/readyz answers " + answer.statusCode()
                            + " without a list of components; is another program on that port?"));
            return;
        }
        found.accept(
                answer.statusCode() == 200
                        ? Finding.good(program, "is ready at " + probes)
                        : Finding.bad(program, "runs at " + probes + ", but is not ready"));
        for (JsonNode component : components) {
            String what = component.path("name").asText() + ": "
                    + component.path("detail").asText();
            if (!component.path("ready").asBoolean()) {
                found.accept(Finding.bad(program, what));
            } else if (!component.path("detail").asText().startsWith(UP)) {
                found.accept(Finding.doubtful(program, what));
            }
        }
    }

    /**
     * Makes only a TLS handshake instead of a request, because the program answers requests only from clients with a
     * certificate.
     */
    private Finding handshake(URI address) throws IOException, GeneralSecurityException, InvalidFileException {
        return connect(address, program)
                .orElseGet(() -> Finding.doubtful(
                        program,
                        "listens at " + text(address) + ", but answers only clients with a certificate, so its "
                                + "readiness is not known; set OPS_PORT"));
    }

    /** Returns whether the ports speak TLS. */
    public boolean hasTls() {
        return tls.isPresent();
    }

    /** Opens and closes a connection, with TLS if it is configured; returns the problem, if there is one. */
    public Optional<Finding> connect(URI address, String subject)
            throws IOException, GeneralSecurityException, InvalidFileException {
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress(address.getHost(), address.getPort()), (int) timeout.toMillis());
            socket.setSoTimeout((int) timeout.toMillis());
            if (tls.isPresent()) {
                try (SSLSocket secured = (SSLSocket)
                        context().getSocketFactory().createSocket(socket, address.getHost(), address.getPort(), true)) {
                    secured.startHandshake();
                }
            }
            return Optional.empty();
        } catch (ConnectException e) {
            return Optional.of(Finding.bad(subject, "nothing listens at " + text(address) + "; start it"));
        } catch (SocketTimeoutException e) {
            return Optional.of(Finding.bad(
                    subject, text(address) + " does not answer within " + timeout.toSeconds() + " s; it hangs"));
        } catch (SSLException e) {
            return Optional.of(Finding.bad(subject, "TLS with " + text(address) + " fails: " + e.getMessage()));
        }
    }

    private SSLContext context() throws GeneralSecurityException, InvalidFileException {
        return PinnedCertificate.context(tls.orElseThrow().chain().get(0));
    }

    /** Returns the host and the port of an address. */
    public static String text(URI address) {
        return address.getHost() + ":" + address.getPort();
    }
}
