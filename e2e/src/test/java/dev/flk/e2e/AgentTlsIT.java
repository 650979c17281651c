// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.sample.Pcs;
import dev.flk.testkit.TestAuthority;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Tests of TLS with client certificates between agent and backend: with wrong settings, nothing is lost, the agent
 * reports the problem, and everything arrives once they are corrected. {@code TlsTest} and {@code TlsMessagesTest} have
 * all reasons.
 */
@Tag("thorough")
final class AgentTlsIT {
    private static final TestAuthority AUTHORITY = TestAuthority.named("authority");
    private static final TestAuthority CLIENTS = TestAuthority.named("clients");
    private static final TestAuthority STRANGE = TestAuthority.named("strange");

    /**
     * Two reasons for a failed handshake, one of which is counted: the JDK's client may close the connection with or
     * without sending an alert first.
     */
    private static final String CLIENT_CLOSES = "refused by client or closed";

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

    /** Writes the configuration file of an agent, omitting settings with an empty value. */
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

    private void assertReportedAndNothingLost(BackendProcess backend, Path wrong, String reported, String counted)
            throws Exception {
        Client operators = new Client(backend.opsUrl());
        home.spool("some", List.of(Pcs.number(1), Pcs.number(2), Pcs.number(3)));
        try (Program agent = home.start(Map.of(), "run", "--config", wrong.toString())) {
            agent.awaitLine(line -> line.contains(" WARN ") && line.contains("/health: ") && line.contains(reported));
            Client.awaitUntil(() -> Stream.of(counted.split(" or ", -1))
                            .mapToDouble(reason -> failures(operators, reason))
                            .sum()
                    > 0);
            Client.awaitUntil(home::spoolIsEmpty);
            assertThat(operators.metric("flk_ingest_total")).isZero();
            try (Program doctor = home.start(Map.of(), "doctor", "--config", wrong.toString())) {
                assertThat(doctor.awaitExit()).isEqualTo(1);
                assertThat(doctor.out().replaceAll("\\s+", " ")).contains(reported);
            }

            AUTHORITY.issue("backend", "localhost").writeTo(etc, "backend");
            backend.program().onReloadSignal();
            backend.program()
                    .awaitLine(line -> line.contains("new connections use the certificate in TLS_CERT")
                            && line.contains(": CN=backend"));
            Path right = configure(backend.tlsUrl());
            agent.onReloadSignal();
            Client.awaitUntil(() -> operators.metric("flk_accepted") == 3);
            try (Program doctor = home.start(Map.of(), "doctor", "--config", right.toString())) {
                doctor.awaitExit();
                assertThat(doctor.out())
                        .contains("is reachable and serves", "reports its readiness elsewhere", "knows it");
            }
            assertThat(home.deadLetters()).isEmpty();
            assertThat(agent.allLines()).doesNotContain("\tat ");
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "no client certificate|it rejects the certificate of this agent, or requires one|client certificate missing",
                "expired backend|its certificate has expired, or is not valid yet; renew TLS_CERT of the backend|"
                        + CLIENT_CLOSES,
                "untrusted backend|its certificate was issued by an authority that the agent does not trust; set TLS_CA_FILE|"
                        + CLIENT_CLOSES,
                "plain HTTP|400|no tls"
            })
    void wrongTlsSettings_areReportedAndNothingIsLost_untilCorrected(String wrong, String reported, String counted)
            throws Exception {
        if (wrong.equals("expired backend")) {
            AUTHORITY.issueEnded("ended", "localhost").writeTo(etc, "backend");
        }
        try (BackendProcess backend = backend()) {
            Path settings = switch (wrong) {
                case "no client certificate" -> configure(backend.tlsUrl(), "TLS_CERT_FILE=", "TLS_KEY_FILE=");
                case "untrusted backend" -> configure(backend.tlsUrl(), "TLS_CA_FILE=" + etc.resolve("strange.crt"));
                case "plain HTTP" -> configure(backend.url());
                default -> configure(backend.tlsUrl());
            };
            assertReportedAndNothingLost(backend, settings, reported, counted);
        }
    }
}
