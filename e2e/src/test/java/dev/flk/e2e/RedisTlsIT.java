// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import dev.flk.testkit.FreePort;
import dev.flk.testkit.RedisServer;
import dev.flk.testkit.TestAuthority;
import dev.flk.testkit.TestAuthority.Issued;
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
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Tests of Redis over TLS, with a trust store and a client certificate as in docs/redis.md, and with invalid
 * certificates.
 */
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
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        store.setCertificateEntry(
                "authority",
                CertificateFactory.getInstance("X.509")
                        .generateCertificate(
                                new ByteArrayInputStream(AUTHORITY.pem().getBytes(StandardCharsets.US_ASCII))));
        trusting = writeStore(store, "trustStore");
    }

    /** Writes a store to a file, and returns the JVM options from docs/redis.md that make a JVM use it. */
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
        List<String> arguments = new ArrayList<>(List.of("--tls-port", Integer.toString(tlsPort)));
        arguments.addAll(tls);
        RedisServer server = RedisServer.startDurable(directory.resolve("server"), arguments.toArray(String[]::new));
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

    private Map<String, String> environment(String jvmOptions) {
        return Map.of(
                "DEDUP_BACKEND",
                "redis",
                "REDIS_URI",
                "rediss://localhost:" + tlsPort,
                "WAL_MIN_FREE_BYTES",
                "1MiB",
                "JAVA_TOOL_OPTIONS",
                jvmOptions);
    }

    private BackendProcess backend(String jvmOptions) throws Exception {
        Path home = Files.createDirectories(directory.resolve("backend"));
        return BackendProcess.start(home, environment(jvmOptions), Program.QUICK_START);
    }

    @ParameterizedTest
    @CsvSource({
        "false,unable to find valid certification path",
        "true,requires a client certificate",
    })
    void wrongCertificate_isAnOutageWithTheReason_untilReplaced(boolean asksForClients, String reported)
            throws Exception {
        RedisServer server = start(asksForClients ? askingForClients() : showing("not-trusted"));
        BackendInJvm.createLog(Files.createDirectory(directory.resolve("backend")));
        try (BackendProcess backend = backend(trusting)) {
            backend.program()
                    .awaitLine(line -> line.contains("Error reaching Redis: localhost:" + tlsPort + " ")
                            && line.contains(reported));
            Client client = new Client(backend.url());
            Client.awaitUntil(() -> client.get("/readyz")
                    .body()
                    .contains("{\"name\":\"dedup\",\"ready\":false,\"detail\":\"unavailable: "));
            Answer answer = client.submit(Pcs.number(1));
            assertThat(answer.status()).isEqualTo(503);
            assertThat(answer.error()).isEqualTo("dedup store unavailable");
            server.kill();
            server.restartWith(showing("right").toArray(String[]::new));
            client.awaitReady();
            client.awaitNothingPending();
            assertThat(client.submit(Pcs.number(1)).has("X-Flk-Duplicate")).isTrue();
        }
    }

    @Test
    void clientCertificate_isPresentedOnRequest() throws Exception {
        Issued client = CLIENTS.issue("backend");
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        store.setKeyEntry("own", client.key(), PASSWORD.toCharArray(), new Certificate[] {client.certificate()});
        start(askingForClients());
        try (BackendProcess backend = backend(trusting + " " + writeStore(store, "keyStore"))) {
            Client http = new Client(backend.url());
            http.awaitReady();
            assertThat(http.submit(Pcs.number(1)).status()).isEqualTo(200);
        }
    }

    @Test
    void missingKeyStore_isAnError() throws Exception {
        Map<String, String> environment = ServedBackend.environment();
        environment.putAll(environment("-Djavax.net.ssl.keyStore=/no/such.p12"));
        try (Program program = Program.java("flk-backend", directory, environment, Program.QUICK_START)) {
            assertThat(program.awaitExit()).isEqualTo(2);
            assertThat(program.allLines())
                    .contains("REDIS_URI: javax.net.ssl.keyStore of the JVM, /no/such.p12, is not a readable file");
        }
    }
}
