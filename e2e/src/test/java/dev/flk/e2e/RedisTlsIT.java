// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.testing.FreePort;
import dev.flk.backend.testing.RedisServer;
import dev.flk.backend.testing.TestAuthority;
import dev.flk.backend.testing.TestAuthority.Issued;
import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Redis and its Sentinels over TLS, with a certificate of one's own; and what a certificate that is not right does. */
@Tag("thorough")
final class RedisTlsIT {
    private static final TestAuthority AUTHORITY = TestAuthority.named("authority");
    private static final TestAuthority STRANGE = TestAuthority.named("strange");
    private static final TestAuthority CLIENTS = TestAuthority.named("clients");
    private static final String PASSWORD = "changeit";

    @TempDir
    private Path directory;

    private final int tlsPort = FreePort.choose();
    private final List<RedisServer> opened = new ArrayList<>();

    private Path etc;
    private String trusting;

    @BeforeEach
    void files() throws Exception {
        etc = Files.createDirectory(directory.resolve("etc"));
        AUTHORITY.issue("right", "localhost", "127.0.0.1").writeTo(etc, "right");
        STRANGE.issue("not-trusted", "localhost", "127.0.0.1").writeTo(etc, "not-trusted");
        AUTHORITY.issue("for-another-host", "redis.example").writeTo(etc, "for-another-host");
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        store.setCertificateEntry("authority", certificate(AUTHORITY.pem()));
        trusting = writeStore(store, "trustStore");
    }

    private static Certificate certificate(String pem) throws GeneralSecurityException {
        return CertificateFactory.getInstance("X.509")
                .generateCertificate(new ByteArrayInputStream(pem.getBytes(StandardCharsets.US_ASCII)));
    }

    /** The options of a JVM, as docs/redis.md has them. */
    private String writeStore(KeyStore store, String purpose) throws IOException, GeneralSecurityException {
        Path file = etc.resolve(purpose + ".p12");
        try (OutputStream out = Files.newOutputStream(file)) {
            store.store(out, PASSWORD.toCharArray());
        }
        return "-Djavax.net.ssl." + purpose + "=" + file + " -Djavax.net.ssl." + purpose + "Password=" + PASSWORD;
    }

    @AfterEach
    void endServers() {
        opened.forEach(RedisServer::close);
    }

    private RedisServer start(List<String> tls) {
        List<String> arguments = new ArrayList<>(StoreServer.Redis.DURABLE);
        arguments.addAll(List.of("--tls-port", Integer.toString(tlsPort)));
        arguments.addAll(tls);
        RedisServer server = RedisServer.start(directory.resolve("server"), arguments.toArray(String[]::new));
        opened.add(server);
        return server;
    }

    private List<String> showing(String certificate) {
        return List.of(
                "--tls-cert-file", etc.resolve(certificate + ".crt").toString(),
                "--tls-key-file", etc.resolve(certificate + ".key").toString(),
                "--tls-auth-clients", "no");
    }

    private List<String> askingForClients() throws IOException {
        List<String> asking = new ArrayList<>(showing("right"));
        asking.addAll(List.of("--tls-auth-clients", "yes", "--tls-ca-cert-file"));
        asking.add(CLIENTS.writeTo(etc.resolve("clients.crt")).toString());
        return asking;
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
        RedisServer server = start(showing("right"));
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
        assertOutageUntilRight(showing("not-trusted"), "unable to find valid certification path");
    }

    @Test
    void certificateForAnotherHost_isAnOutageThatSaysSo_untilTheServerShowsAnother() throws Exception {
        assertOutageUntilRight(showing("for-another-host"), "No subject alternative DNS name matching localhost");
    }

    @Test
    void clientCertificateIsAskedFor_isAnOutageThatSaysSo_untilItIsNot() throws Exception {
        assertOutageUntilRight(askingForClients(), "requires a client certificate");
    }

    @Test
    void clientCertificateIsAskedFor_andShown() throws Exception {
        Issued client = CLIENTS.issue("backend");
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        store.setKeyEntry("own", client.key(), PASSWORD.toCharArray(), new Certificate[] {client.certificate()});
        start(askingForClients());
        try (BackendProcess backend = backend(uri(), trusting + " " + writeStore(store, "keyStore"))) {
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
                    .contains("REDIS_URI: javax.net.ssl.keyStore of the JVM, /no/such.p12, is not a readable file")
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
            server.restart(showing("right").toArray(String[]::new));
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
        start(showing("right"));
        int sentinelPort = FreePort.choose();
        opened.add(RedisServer.startSentinel(
                directory.resolve("sentinel"),
                "tls-port " + sentinelPort,
                "tls-cert-file " + etc.resolve("right.crt"),
                "tls-key-file " + etc.resolve("right.key"),
                "tls-ca-cert-file " + AUTHORITY.writeTo(etc.resolve("authority.crt")),
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
