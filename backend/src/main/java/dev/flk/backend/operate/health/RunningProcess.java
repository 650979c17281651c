// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.health;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.flk.backend.access.tls.TlsFiles;
import dev.flk.backend.config.BackendConfig;
import dev.flk.client.StateCallException;
import dev.flk.client.StateClient;
import dev.flk.client.StateInfo;
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

/** The requests to the ports of the running backend. With TLS, only the certificate in TLS_CERT is trusted. */
final class RunningProcess {
    static final String BACKEND = "backend";
    static final String STATE = "state";

    private static final JsonMapper JSON = new JsonMapper();
    private static final String UP = "up";

    private final BackendConfig config;
    private final Duration timeout;

    RunningProcess(BackendConfig config, Duration timeout) {
        this.config = config;
        this.timeout = timeout;
    }

    /** Requests {@code /readyz}; finds out whether the backend is ready, and which components are down. */
    void askReadiness(URI probes, Consumer<Finding> found)
            throws IOException, GeneralSecurityException, InvalidFileException {
        boolean isTls = probes.getScheme().equals("https");
        if (isTls && config.tls().flatMap(TlsFiles::clientAuthorities).isPresent()) {
            found.accept(handshake(probes));
            return;
        }
        LocalHttpClient client = isTls ? new LocalHttpClient(timeout, context()) : new LocalHttpClient(timeout);
        HttpResponse<String> answer;
        try {
            answer = client.ask(probes + "/readyz", Optional.empty());
        } catch (ConnectException e) {
            found.accept(Finding.bad(BACKEND, "nothing listens at " + probes + "; start the backend"));
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
                    BACKEND,
                    probes + "/readyz answers " + answer.statusCode()
                            + " without a list of components; is another program on that port?"));
            return;
        }
        found.accept(
                answer.statusCode() == 200
                        ? Finding.good(BACKEND, "is ready at " + probes)
                        : Finding.bad(BACKEND, "runs at " + probes + ", but is not ready"));
        for (JsonNode component : components) {
            String what = component.path("name").asText() + ": "
                    + component.path("detail").asText();
            if (!component.path("ready").asBoolean()) {
                found.accept(Finding.bad(BACKEND, what));
            } else if (!component.path("detail").asText().startsWith(UP)) {
                found.accept(Finding.doubtful(BACKEND, what));
            }
        }
    }

    /**
     * Makes only a TLS handshake instead of a request, because the backend answers requests only from clients with a
     * certificate.
     */
    private Finding handshake(URI address) throws IOException, GeneralSecurityException, InvalidFileException {
        return connect(address, BACKEND)
                .orElseGet(() -> Finding.doubtful(
                        BACKEND,
                        "listens at " + text(address) + ", but answers only clients with a certificate, so its "
                                + "readiness is not known; set OPS_PORT"));
    }

    /** Asks the port of the state whether the state can be used; with TLS, makes only a handshake. */
    void askState(URI address, Consumer<Finding> found)
            throws IOException, GeneralSecurityException, InvalidFileException {
        Optional<Finding> problem = connect(address, STATE);
        if (problem.isPresent()) {
            found.accept(problem.get());
        } else if (config.tls().isPresent()) {
            found.accept(Finding.good(STATE, "listens at " + text(address)));
        } else {
            try (StateClient client =
                    StateClient.to(text(address)).timeout(timeout).connect()) {
                // reported before closing, which may wait for a server that hangs
                found.accept(info(client, text(address)));
            }
        }
    }

    private static Finding info(StateClient client, String address) {
        try {
            StateInfo info = client.info();
            return info.notServing().isEmpty()
                    ? Finding.good(STATE, "serves at " + address + ", revision " + info.newestRevision())
                    : Finding.bad(STATE, address + " rejects all commits: " + info.notServing());
        } catch (StateCallException.Unauthenticated e) {
            return Finding.good(STATE, "answers at " + address + ", and asks for a token");
        } catch (StateCallException.Unreachable e) {
            return Finding.bad(STATE, address + " accepts connections, but answers no call: " + e.getMessage());
        } catch (StateCallException e) {
            return Finding.bad(STATE, address + ": " + e.getMessage());
        }
    }

    /** Opens and closes a connection, with TLS if it is configured; returns the problem, if there is one. */
    private Optional<Finding> connect(URI address, String subject)
            throws IOException, GeneralSecurityException, InvalidFileException {
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress(address.getHost(), address.getPort()), (int) timeout.toMillis());
            socket.setSoTimeout((int) timeout.toMillis());
            if (config.tls().isPresent()) {
                try (SSLSocket tls = (SSLSocket)
                        context().getSocketFactory().createSocket(socket, address.getHost(), address.getPort(), true)) {
                    tls.startHandshake();
                }
            }
            return Optional.empty();
        } catch (ConnectException e) {
            return Optional.of(Finding.bad(subject, "nothing listens at " + text(address) + "; start the backend"));
        } catch (SocketTimeoutException e) {
            return Optional.of(Finding.bad(
                    subject, text(address) + " does not answer within " + timeout.toSeconds() + " s; it hangs"));
        } catch (SSLException e) {
            return Optional.of(Finding.bad(subject, "TLS with " + text(address) + " fails: " + e.getMessage()));
        }
    }

    private SSLContext context() throws GeneralSecurityException, InvalidFileException {
        return PinnedCertificate.context(config.tls().orElseThrow().chain().get(0));
    }

    private static String text(URI address) {
        return address.getHost() + ":" + address.getPort();
    }
}
