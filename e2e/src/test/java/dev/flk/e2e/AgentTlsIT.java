// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.testing.FreePort;
import dev.flk.backend.testing.TestAuthority;
import dev.flk.backend.testing.TestAuthority.Issued;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Agent and backend, both real, over TLS with certificates of both: the right ones, and each way in which they can be wrong. Wrong ones cost no
 * certificate, and the agent says what to do; then the right ones are put in place, and everything arrives.
 */
@Tag("thorough")
final class AgentTlsIT {
    private static final TestAuthority AUTHORITY = TestAuthority.named("authority");
    private static final TestAuthority CLIENTS = TestAuthority.named("clients");
    private static final TestAuthority STRANGE = TestAuthority.named("strange");

    /** The JDK's client says so before it closes the connection, or just closes it. */
    private static final String CLIENT_GOES = "refused by client or closed";

    @TempDir
    private Path directory;

    private Path etc;
    private AgentHome home;

    @BeforeEach
    void files() throws IOException {
        etc = Files.createDirectory(directory.resolve("etc"));
        home = AgentHome.in(Files.createDirectory(directory.resolve("agent")));
        AUTHORITY.writeTo(etc.resolve("authority.crt"));
        STRANGE.writeTo(etc.resolve("strange.crt"));
        CLIENTS.writeTo(etc.resolve("clients.crt"));
        AUTHORITY.issue("backend", "localhost").writeTo(etc, "backend");
        CLIENTS.issue("agent").writeTo(etc, "agent");
    }

    private BackendProcess backend() throws IOException {
        Map<String, String> environment = new HashMap<>();
        environment.put("OPS_PORT", "0");
        environment.put("TLS_CERT", etc.resolve("backend.crt").toString());
        environment.put("TLS_KEY", etc.resolve("backend.key").toString());
        environment.put("TLS_CLIENT_CA", etc.resolve("clients.crt").toString());
        return BackendProcess.start(directory, environment, Program.QUICK_START);
    }

    /** The configuration file of an agent, from which a value is left out by giving none. */
    private Path configure(String endpoint, String... more) throws IOException {
        Map<String, String> settings = home.sendingTo(endpoint);
        settings.put("TLS_CA_FILE", etc.resolve("authority.crt").toString());
        settings.put("TLS_CERT_FILE", etc.resolve("agent.crt").toString());
        settings.put("TLS_KEY_FILE", etc.resolve("agent.key").toString());
        for (String each : more) {
            String[] sides = each.split("=", 2);
            settings.put(sides[0], sides[1]);
        }
        settings.values().removeIf(String::isEmpty);
        return Files.write(
                home.directory().resolve("agent.properties"),
                settings.entrySet().stream()
                        .map(each -> each.getKey() + "=" + each.getValue())
                        .toList());
    }

    private static double failures(Client operators, String reason) {
        try {
            return operators.metric("flk_tls_handshake_failures_total{reason=\"" + reason + "\",}");
        } catch (IOException | InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private void assertToldAndNothingLost(BackendProcess backend, Path wrong, String told, String counted)
            throws Exception {
        Client operators = new Client(backend.opsUrl());
        home.spool("some", List.of(Pcs.number(1), Pcs.number(2), Pcs.number(3)));
        try (Program agent = home.start(Map.of(), "run", "--config", wrong.toString())) {
            agent.awaitLine(line -> line.contains(" WARN ") && line.contains("/health: ") && line.contains(told));
            Client.awaitUntil(() -> Stream.of(counted.split(" or ", -1))
                            .mapToDouble(reason -> failures(operators, reason))
                            .sum()
                    > 0);
            Client.awaitUntil(home::spoolIsEmpty);
            assertThat(operators.metric("flk_ingest_total")).isZero();
            try (Program doctor = home.start(Map.of(), "doctor", "--config", wrong.toString())) {
                assertThat(doctor.awaitExit()).isEqualTo(1);
                assertThat(doctor.out().replaceAll("\\s+", " ")).contains(told);
            }

            AUTHORITY.issue("backend", "localhost").writeTo(etc, "backend");
            backend.program().hangUp();
            backend.program().awaitLine(line -> line.contains(" was read again: CN=backend"));
            configure(backend.tlsUrl());
            agent.hangUp();
            Client.awaitUntil(() -> operators.metric("flk_accepted") == 3);
            assertThat(home.deadLetters()).isEmpty();
            assertThat(agent.allLines()).doesNotContain("\tat ");
        }
    }

    @Test
    void rightCertificates_everythingArrives_alsoInBatches() throws Exception {
        try (BackendProcess backend = backend()) {
            Client operators = new Client(backend.opsUrl());
            home.spool("some", List.of(Pcs.number(1), Pcs.number(2), Pcs.number(3)));
            Path settings = configure(backend.tlsUrl());
            try (Program agent = home.start(Map.of(), "run", "--config", settings.toString())) {
                Client.awaitUntil(() -> operators.metric("flk_accepted") == 3);
                try (Program doctor = home.start(Map.of(), "doctor", "--config", settings.toString())) {
                    doctor.awaitExit();
                    assertThat(doctor.out())
                            .contains("is reached and serves", "tells elsewhere whether it is ready", "knows it");
                }
                assertThat(agent.terminate()).isEqualTo(143);
            }
        }
    }

    @Test
    void noCertificate() throws Exception {
        try (BackendProcess backend = backend()) {
            assertToldAndNothingLost(
                    backend,
                    configure(backend.tlsUrl(), "TLS_CERT_FILE=", "TLS_KEY_FILE="),
                    "it does not take the certificate of this agent, or misses one",
                    "client certificate missing");
        }
    }

    @Test
    void certificateOfAnotherAuthority() throws Exception {
        STRANGE.issue("agent").writeTo(etc, "strange-agent");
        try (BackendProcess backend = backend()) {
            assertToldAndNothingLost(
                    backend,
                    configure(
                            backend.tlsUrl(),
                            "TLS_CERT_FILE=" + etc.resolve("strange-agent.crt"),
                            "TLS_KEY_FILE=" + etc.resolve("strange-agent.key")),
                    "it does not take the certificate of this agent, or misses one",
                    "client certificate missing or client certificate refused");
        }
    }

    @Test
    void endedCertificateOfTheAgent() throws Exception {
        CLIENTS.issueEnded("agent").writeTo(etc, "ended-agent");
        try (BackendProcess backend = backend()) {
            assertToldAndNothingLost(
                    backend,
                    configure(
                            backend.tlsUrl(),
                            "TLS_CERT_FILE=" + etc.resolve("ended-agent.crt"),
                            "TLS_KEY_FILE=" + etc.resolve("ended-agent.key")),
                    "it does not take the certificate of this agent, or misses one",
                    "client certificate refused");
        }
    }

    @Test
    void endedCertificateOfTheBackend() throws Exception {
        AUTHORITY.issueEnded("ended", "localhost").writeTo(etc, "backend");
        try (BackendProcess backend = backend()) {
            assertToldAndNothingLost(
                    backend,
                    configure(backend.tlsUrl()),
                    "its certificate has ended, or is not valid yet; renew it at the backend",
                    CLIENT_GOES);
        }
    }

    @Test
    void certificateForAnotherHost() throws Exception {
        Issued elsewhere = AUTHORITY.issue("elsewhere", "backend.example");
        elsewhere.writeTo(etc, "backend");
        try (BackendProcess backend = backend()) {
            assertToldAndNothingLost(
                    backend,
                    configure(backend.tlsUrl()),
                    "its certificate is not for the host of ENDPOINT",
                    CLIENT_GOES);
        }
    }

    @Test
    void authorityThatTheAgentDoesNotTrust() throws Exception {
        try (BackendProcess backend = backend()) {
            assertToldAndNothingLost(
                    backend,
                    configure(backend.tlsUrl(), "TLS_CA_FILE=" + etc.resolve("strange.crt")),
                    "its certificate is of an authority that is not trusted here; set TLS_CA_FILE",
                    CLIENT_GOES);
        }
    }

    @Test
    void httpWhereItShouldBeHttps() throws Exception {
        try (BackendProcess backend = backend()) {
            assertToldAndNothingLost(backend, configure(backend.url()), "400", "no tls");
        }
    }

    /** What was sent to the plain backend, which comes back with TLS: no answer of the new one may cost a certificate. */
    @Test
    void backendChangesToTls_underAnAgentThatKnewItPlain() throws Exception {
        int port = FreePort.choose();
        Path settings = configure("http://127.0.0.1:" + port);
        try (Program agent = home.start(Map.of(), "run", "--config", settings.toString())) {
            try (BackendProcess plain =
                    BackendProcess.start(directory, Map.of("PORT", Integer.toString(port)), Program.QUICK_START)) {
                home.spool("first", List.of(Pcs.number(1), Pcs.number(2)));
                Client client = new Client(plain.url());
                Client.awaitUntil(() -> client.metric("flk_accepted") == 2);
                plain.program().terminate();
            }
            try (BackendProcess tls = BackendProcess.start(
                    directory,
                    Map.of(
                            "PORT", Integer.toString(port),
                            "OPS_PORT", "0",
                            "TLS_CERT", etc.resolve("backend.crt").toString(),
                            "TLS_KEY", etc.resolve("backend.key").toString()),
                    Program.QUICK_START)) {
                Client operators = new Client(tls.opsUrl());
                home.spool("second", List.of(Pcs.number(3), Pcs.number(4)));
                home.spool("third", List.of(Pcs.number(5)));
                Client.awaitUntil(() -> operators.metric("flk_tls_handshake_failures_total{reason=\"no tls\",}") > 0);
                assertThat(home.deadLetters()).isEmpty();
                configure("https://localhost:" + port);
                agent.hangUp();
                Client.awaitUntil(() -> operators.metric("flk_accepted") == 3);
                assertThat(home.deadLetters()).isEmpty();
            }
        }
    }
}
