// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.client.StateCallException;
import dev.flk.client.StateClient;
import dev.flk.sample.Pcs;
import dev.flk.testkit.TestAuthority;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests of TLS with the real backend: client certificates, and renewal of certificates while the backend serves
 * requests. {@code ReloadedTlsTest} has the pairs that do not replace the one in use.
 */
final class TlsIT {
    private static final TestAuthority AUTHORITY = TestAuthority.named("authority");
    private static final TestAuthority CLIENTS = TestAuthority.named("clients");

    @TempDir
    private Path directory;

    private Path etc;

    @BeforeEach
    void files() throws IOException {
        etc = Files.createDirectory(directory.resolve("etc"));
        AUTHORITY.issue("first", "localhost").writeTo(etc, "tls");
        CLIENTS.writeTo(etc.resolve("clients.crt"));
    }

    private Map<String, String> environment(Map<String, String> more) {
        Map<String, String> environment = new HashMap<>(more);
        environment.put("TLS_CERT", etc.resolve("tls.crt").toString());
        environment.put("TLS_KEY", etc.resolve("tls.key").toString());
        return environment;
    }

    /** Submits a certificate on a new connection and returns the status. */
    private static int submitOnce(ServedBackend backend, SSLContext tls, Pcs pcs) throws Exception {
        return new Client(backend.tlsUrl(), tls).submit(pcs).status();
    }

    /** Returns the subject of the certificate that the backend presents on a new connection. */
    private static String shown(ServedBackend backend) throws IOException {
        try (SSLSocket socket =
                (SSLSocket) AUTHORITY.context().getSocketFactory().createSocket("localhost", backend.port())) {
            socket.startHandshake();
            return socket.getSession().getPeerPrincipal().getName();
        }
    }

    @Test
    void clientAuthority_clientsAndStateCommandsPresentACertificate() throws Exception {
        CLIENTS.issue("operator").writeTo(etc, "operator");
        AUTHORITY.writeTo(etc.resolve("authority.crt"));
        Map<String, String> more =
                Map.of("TLS_CLIENT_CA", etc.resolve("clients.crt").toString(), "OPS_PORT", "0");
        try (ServedBackend backend = BackendInJvm.start(directory, environment(more));
                ServedBackend state = StateInJvm.start(directory, environment(more))) {
            String url = state.stateUrl().replace("http://127.0.0.1", "https://localhost");
            assertThat(submitOnce(backend, AUTHORITY.context(CLIENTS.issue("agent")), Pcs.number(1)))
                    .isEqualTo(200);
            assertThatIOException()
                    .as("without a certificate")
                    .isThrownBy(() -> submitOnce(backend, AUTHORITY.context(), Pcs.number(2)));
            List<String> info = List.of(
                    "info", "--url", url, "--ca", etc.resolve("authority.crt").toString());
            try (StateClient anonymous = StateClient.to(url.replace("https://", ""))
                    .timeout(Duration.ofSeconds(1))
                    .tls(etc.resolve("authority.crt"))
                    .connect()) {
                assertThatThrownBy(anonymous::info).isInstanceOf(StateCallException.Unreachable.class);
            }
            List<String> shown = new ArrayList<>(info);
            String certificate = etc.resolve("operator.crt").toString();
            String none = etc.resolve("none.key").toString();
            shown.addAll(List.of(
                    "--cert", certificate, "--key", etc.resolve("operator.key").toString()));
            assertThat(run(0, shown)).startsWith("engine ");
            shown.set(shown.size() - 1, certificate);
            assertThat(run(1, shown))
                    .startsWith("flk-state: --ca, --cert or --key: ")
                    .doesNotContain("\tat ");
            shown.set(shown.size() - 1, none);
            assertThat(run(1, shown)).startsWith("flk-state: --ca, --cert or --key: " + none + " (No such");
        }
    }

    private static String run(int exitCode, List<String> arguments) {
        return Command.ofState(Map.of(), arguments.toArray(String[]::new))
                .exits(exitCode)
                .all();
    }

    /** A sender of one submission at a time, alternately on a persistent connection and on a new connection. */
    private static final class TlsTraffic {
        private final ServedBackend backend;
        private final Client kept;
        private final Thread thread = new Thread(this::run, "tls-traffic");
        private final AtomicLong answered = new AtomicLong();
        private final List<String> failed = new ArrayList<>();
        private volatile boolean stopped;

        TlsTraffic(ServedBackend backend) {
            this.backend = backend;
            this.kept = new Client(backend.tlsUrl(), AUTHORITY.context());
            thread.start();
        }

        private void run() {
            for (long i = 1; !stopped; i += 2) {
                try {
                    int first = kept.submit(Pcs.number(i)).status();
                    int second = submitOnce(backend, AUTHORITY.context(), Pcs.number(i + 1));
                    if (first != 200 || second != 200) {
                        failed.add(first + " " + second);
                    }
                } catch (Exception e) {
                    failed.add(e.toString());
                }
                answered.addAndGet(2);
            }
        }

        void awaitMore() {
            long before = answered.get();
            Client.awaitUntil(() -> answered.get() > before + 20);
        }

        /** Stops the traffic and returns a description of each failure. */
        List<String> stop() throws InterruptedException {
            stopped = true;
            thread.join();
            return failed;
        }
    }

    @Test
    @Tag("thorough")
    void renewedUnderTraffic_byChangeOrSighup_losesNoRequest() throws Exception {
        try (BackendProcess backend = BackendProcess.start(directory, environment(Map.of()))) {
            TlsTraffic traffic = new TlsTraffic(backend);
            traffic.awaitMore();
            assertThat(shown(backend)).isEqualTo("CN=first");

            AUTHORITY.issue("second", "localhost").writeTo(etc, "tls");
            backend.awaitLine(line -> line.contains("new connections use the certificate in TLS_CERT")
                    && line.contains(": CN=second, valid from "));
            assertThat(shown(backend)).isEqualTo("CN=second");
            traffic.awaitMore();

            AUTHORITY.issue("third", "localhost").writeTo(etc, "tls");
            backend.program().onReloadSignal();
            backend.awaitLine(line -> line.contains("new connections use the certificate in TLS_CERT")
                    && line.contains(": CN=third, valid from "));
            assertThat(shown(backend)).isEqualTo("CN=third");
            traffic.awaitMore();

            assertThat(traffic.stop()).isEmpty();
            assertThat(backend.program().terminate()).isEqualTo(143);
        }
    }
}
