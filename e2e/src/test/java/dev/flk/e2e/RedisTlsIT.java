// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.testing.FreePort;
import dev.flk.backend.testing.RedisServer;
import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Redis and its Sentinels over TLS, with a certificate of one's own; and what a certificate that is not right does. */
@Tag("thorough")
final class RedisTlsIT {
    @TempDir
    private static Path identities;

    private static SelfSigned right;
    private static SelfSigned notTrusted;
    private static SelfSigned forAnotherHost;
    private static String trusting;

    @TempDir
    private Path directory;

    private final int tlsPort = FreePort.choose();
    private final List<RedisServer> opened = new ArrayList<>();

    @BeforeAll
    static void makeIdentities() throws Exception {
        right = SelfSigned.forNames("dns:localhost,ip:127.0.0.1", identities.resolve("right"));
        notTrusted = SelfSigned.forNames("dns:localhost,ip:127.0.0.1", identities.resolve("not-trusted"));
        forAnotherHost = SelfSigned.forNames("dns:redis.example", identities.resolve("for-another-host"));
        trusting = SelfSigned.trusting(identities.resolve("trust.p12"), right, forAnotherHost);
    }

    @AfterEach
    void endServers() {
        opened.forEach(RedisServer::close);
    }

    private RedisServer start(List<String> tls) {
        List<String> arguments = new ArrayList<>(RedisStoreServer.DURABLE);
        arguments.addAll(List.of("--tls-port", Integer.toString(tlsPort)));
        arguments.addAll(tls);
        RedisServer server = RedisServer.start(directory.resolve("server"), arguments.toArray(String[]::new));
        opened.add(server);
        return server;
    }

    private static List<String> showing(SelfSigned identity) {
        return List.of(
                "--tls-cert-file", identity.certificateFile().toString(),
                "--tls-key-file", identity.keyFile().toString(),
                "--tls-auth-clients", "no");
    }

    private BackendProcess backend(String uri) throws Exception {
        return backend(uri, trusting);
    }

    private BackendProcess backend(String uri, String jvmOptions) throws Exception {
        return BackendProcess.start(
                Files.createDirectories(directory.resolve("backend")),
                Map.of(
                        "DEDUP_BACKEND",
                        "redis",
                        "REDIS_URI",
                        uri,
                        "WAL_MIN_FREE_BYTES",
                        "1MiB",
                        "JAVA_TOOL_OPTIONS",
                        jvmOptions),
                Program.QUICK_START);
    }

    private String uri() {
        return "rediss://localhost:" + tlsPort;
    }

    @Test
    void ownTrustStore_isSpokenTo_alsoAfterTheServerWasRestarted() throws Exception {
        RedisServer server = start(showing(right));
        try (BackendProcess backend = backend(uri())) {
            Client client = new Client(backend.url());
            client.awaitReady();
            assertThat(client.submit(Pcs.number(1)).status()).isEqualTo(200);
            server.kill();
            assertUnavailable(client.submit(Pcs.number(2)));
            server.restart();
            assertDecided(client, Pcs.number(1), Pcs.number(2));
        }
    }

    @Test
    void certificateNotTrusted_isAnOutageThatSaysSo_untilTheServerShowsAnother() throws Exception {
        assertOutageUntilRight(showing(notTrusted), "unable to find valid certification path");
    }

    @Test
    void certificateForAnotherHost_isAnOutageThatSaysSo_untilTheServerShowsAnother() throws Exception {
        assertOutageUntilRight(showing(forAnotherHost), "No subject alternative DNS name matching localhost");
    }

    @Test
    void clientCertificateIsAskedFor_isAnOutageThatSaysSo_untilItIsNot() throws Exception {
        List<String> asking = new ArrayList<>(showing(right));
        asking.addAll(List.of(
                "--tls-auth-clients",
                "yes",
                "--tls-ca-cert-file",
                right.certificateFile().toString()));
        assertOutageUntilRight(asking, "asks for a certificate of the client");
    }

    @Test
    void clientCertificateIsAskedFor_andShown() throws Exception {
        SelfSigned client = SelfSigned.forNames("dns:backend", identities.resolve("client"));
        List<String> asking = new ArrayList<>(showing(right));
        asking.addAll(List.of(
                "--tls-auth-clients",
                "yes",
                "--tls-ca-cert-file",
                client.certificateFile().toString()));
        start(asking);
        try (BackendProcess backend = backend(uri(), trusting + " " + client.shownByJvm())) {
            Client http = new Client(backend.url());
            http.awaitReady();
            assertThat(http.submit(Pcs.number(1)).status()).isEqualTo(200);
        }
    }

    @Test
    void keyStoreThatIsNotThere_isAMistake() throws Exception {
        Map<String, String> environment = BackendProcess.environment();
        environment.put("DEDUP_BACKEND", "redis");
        environment.put("REDIS_URI", uri());
        environment.put("JAVA_TOOL_OPTIONS", "-Djavax.net.ssl.keyStore=/no/such.p12");
        try (Program program = Program.java("flk-backend", directory, environment, Program.QUICK_START)) {
            assertThat(program.awaitExit()).isEqualTo(2);
            assertThat(program.allLines())
                    .contains("REDIS_URI: javax.net.ssl.keyStore of the JVM, /no/such.p12, is no file that can be read")
                    .doesNotContain("\tat ");
        }
    }

    private void assertOutageUntilRight(List<String> wrong, String told) throws Exception {
        RedisServer server = start(wrong);
        try (BackendProcess backend = backend(uri())) {
            backend.program()
                    .awaitLine(line ->
                            line.contains("Error reaching Redis: localhost:" + tlsPort + " ") && line.contains(told));
            Client client = new Client(backend.url());
            Client.awaitUntil(() -> client.get("/readyz")
                    .body()
                    .contains("{\"name\":\"dedup\",\"ready\":false,\"detail\":\"unavailable\"}"));
            assertUnavailable(client.submit(Pcs.number(1)));
            server.kill();
            server.restart(showing(right).toArray(String[]::new));
            assertDecided(client, Pcs.number(1));
        }
    }

    private static void assertUnavailable(Answer answer) {
        assertThat(answer.status()).isEqualTo(503);
        assertThat(answer.error()).isEqualTo("dedup store unavailable");
    }

    /** Once the store is back, without another try. */
    private static void assertDecided(Client client, Pcs... all) throws Exception {
        client.awaitReady();
        client.awaitNothingPending();
        for (Pcs one : all) {
            assertThat(client.submit(one).has("X-Flk-Duplicate")).isTrue();
        }
    }

    @Test
    void sentinelOverTls_primaryIsSpokenToOverTlsAsWell() throws Exception {
        start(showing(right));
        int sentinelPort = FreePort.choose();
        opened.add(RedisServer.startSentinel(
                directory.resolve("sentinel"),
                "tls-port " + sentinelPort,
                "tls-cert-file " + right.certificateFile(),
                "tls-key-file " + right.keyFile(),
                "tls-ca-cert-file " + right.certificateFile(),
                "tls-auth-clients no",
                "tls-replication yes",
                "sentinel monitor flk 127.0.0.1 " + tlsPort + " 1"));
        try (BackendProcess backend = backend("rediss-sentinel://localhost:" + sentinelPort + "/0#flk")) {
            Client client = new Client(backend.url());
            client.awaitReady();
            assertThat(client.submit(Pcs.number(1)).status()).isEqualTo(200);
        }
    }
}
