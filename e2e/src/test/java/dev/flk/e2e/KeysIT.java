// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.sample.Pcs;
import dev.flk.signing.Ed25519Signer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests of {@code KEYS_FILE} with both jars: a rotation under traffic, which ends with the revocation of the old key.
 */
final class KeysIT {
    private static final int BATCH = 5;

    @TempDir
    private Path directory;

    private Path keysFile;

    @BeforeEach
    void keysDirectory() throws IOException {
        keysFile = Files.createDirectory(directory.resolve("etc")).resolve("keys.json");
    }

    private Map<String, String> environment() {
        String log = directory.resolve("data/wal").toString();
        return Map.of("KEYS_FILE", keysFile.toString(), "PCS_SIGN_ALG", "ed25519", "PCS_HMAC_KEY", "", "WAL_DIR", log);
    }

    private ServedBackend start() throws IOException {
        return BackendInJvm.start(directory, environment());
    }

    /** Runs a {@code keys} command, which must succeed, and returns its output. */
    private String keys(String... args) {
        List<String> all = new ArrayList<>(List.of("keys"));
        all.addAll(List.of(args));
        return Command.ofBackend(environment(), all.toArray(String[]::new))
                .exits(0)
                .all();
    }

    /** Replaces the keys file, as an operator's editor does. Each key is given as {@code id=state}. */
    private void edit(String... keys) throws IOException {
        List<String> entries = new ArrayList<>();
        for (String key : keys) {
            String[] idAndState = key.split("=", 2);
            entries.add(
                    "{\"id\":\"%s\",\"algorithm\":\"ed25519\",\"state\":\"%s\",\"public_key\":\"%s\",\"shards\":[\"shard-1\"]}"
                            .formatted(
                                    idAndState[0],
                                    idAndState[1],
                                    signer(idAndState[0]).publicKeyBase64()));
        }
        Path written = Files.writeString(directory.resolve("keys.new"), "{\"version\":1,\"keys\":" + entries + "}");
        Files.move(written, keysFile, StandardCopyOption.REPLACE_EXISTING);
        assertThat(keys("check")).contains("is valid");
    }

    private static byte[] seed(String id) {
        return Arrays.copyOf(id.getBytes(StandardCharsets.US_ASCII), Ed25519Signer.SEED_BYTES);
    }

    private static Ed25519Signer signer(String id) {
        return new Ed25519Signer(seed(id));
    }

    private static String secretOf(String id) {
        return Base64.getEncoder().encodeToString(seed(id));
    }

    private static void configure(Path settings, String id) throws IOException {
        Files.writeString(settings, "PCS_SIGN_ALG=ed25519\nPCS_ED25519_PRIV_B64=" + secretOf(id) + "\n");
    }

    /** A producer that spools certificates of {@code shard-1} until it is stopped. */
    private static final class SpooledTraffic {
        private final AgentHome home;
        private final Thread thread = new Thread(this::run, "spooled-traffic");
        private volatile boolean stopped;
        private volatile long spooled;

        SpooledTraffic(AgentHome home) {
            this.home = home;
            thread.start();
        }

        private void run() {
            try {
                while (!stopped) {
                    long first = spooled;
                    home.spool(
                            "batch-" + first,
                            LongStream.rangeClosed(first + 1, first + BATCH)
                                    .mapToObj(Pcs::number)
                                    .toList());
                    spooled = first + BATCH;
                    Client.awaitUntil(home::spoolIsEmpty);
                }
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        }

        /** Blocks until the backend accepts one more batch. */
        void awaitMore(Client backend) throws Exception {
            double before = backend.metric("flk_accepted");
            Client.awaitUntil(() -> backend.metric("flk_accepted") >= before + BATCH);
        }

        long stop() throws InterruptedException {
            stopped = true;
            thread.join();
            return spooled;
        }
    }

    @Test
    void keyRotation_underTraffic_losesNothingAndRetiresTheOldKey() throws Exception {
        edit("first=active");
        AgentHome home = AgentHome.in(Files.createDirectory(directory.resolve("agent")));
        Path settings = home.directory().resolve("agent.properties");
        configure(settings, "first");
        try (ServedBackend backend = start()) {
            Client client = new Client(backend.url());
            Map<String, String> environment = home.sendingTo(backend.url());
            environment.remove("PCS_SIGN_ALG");
            environment.remove("PCS_HMAC_KEY");
            try (Program agent = home.start(environment, "run", "--config", settings.toString())) {
                SpooledTraffic traffic = new SpooledTraffic(home);
                traffic.awaitMore(client);

                edit("first=active", "second=active");
                backend.awaitLine(
                        line -> line.endsWith("has 2 active, 0 retiring, 0 revoked keys; key second was added"));
                traffic.awaitMore(client);

                configure(settings, "second");
                agent.onReloadSignal();
                agent.awaitLine(line -> line.contains("configuration was read again"));

                edit("first=retiring", "second=active");
                backend.awaitLine(line -> line.endsWith("; key first is now retiring"));
                traffic.awaitMore(client);
                // after this batch, all certificates signed with the first key before the change are answered
                traffic.awaitMore(client);

                edit("first=revoked", "second=active");
                backend.awaitLine(line -> line.endsWith("; key first is now revoked"));
                traffic.awaitMore(client);

                long all = traffic.stop();
                Client.awaitUntil(() -> client.metric("flk_accepted") == all);
                assertThat(home.deadLetters()).isEmpty();
                assertThat(client.metric("flk_signature_errors")).isZero();
                LogFiles log = LogFiles.inbox(directory.resolve("data/wal"));
                Map<String, Long> byKey = log.entries().stream()
                        .collect(Collectors.groupingBy(LogFiles.Entry::keyId, Collectors.counting()));
                assertThat(byKey.keySet()).isEqualTo(Set.of("first", "second"));
                assertThat(byKey.get("first") + byKey.get("second")).isEqualTo(all);
                String signed = keys("signed", "first", "--list");
                assertThat(signed)
                        .containsPattern("it has signed +" + byKey.get("first") + " records that are still in the log")
                        .containsPattern("shards +shard-1: " + byKey.get("first"))
                        .containsPattern("first arrival +20[0-9-]+T[0-9:.]+Z");
                assertThat(signed.lines().filter(line -> line.matches("[0-9a-f]{64}")))
                        .hasSize(byKey.get("first").intValue())
                        .contains(Pcs.number(1).id().toString());

                Pcs late = Pcs.number(all + 1).signedBy(signer("first"));
                assertThat(client.submit(late).status()).isEqualTo(401);
                Client.awaitUntil(() -> client.metric("flk_signature_refused_total{reason=\"revoked\",}") == 1);
                backend.awaitLine(line ->
                        line.contains("Signature verification failed for " + late.id() + ": revoked, key first"));
                assertThat(client.get("/ui/refused").body())
                        .contains(
                                late.id().toString(),
                                "<td class=\"left\" data-label=\"claimed shard (not verified)\">shard-1</td>");
                assertThat(backend.allLines()).doesNotContain(secretOf("first"), secretOf("second"));
            }
        }
    }
}
