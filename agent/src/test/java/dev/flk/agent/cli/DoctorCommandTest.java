// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import static dev.flk.agent.send.Certificates.certificate;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.cli.Cli.Ended;
import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.config.AgentConfig.Need;
import dev.flk.agent.doctor.Doctor;
import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.send.ScriptedBackend.Said;
import dev.flk.program.health.Finding.Grade;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class DoctorCommandTest extends CommandTest {
    /** The answer to the doctor's certificate from a backend that knows the key. */
    private static final Said KNOWS_THE_KEY =
            Said.error(400, "probe: the key may sign for this shard; nothing was recorded");

    @BeforeEach
    void prepare() {
        backend.submit = line -> KNOWS_THE_KEY;
        cli.with("OUTBOX_MAX_BYTES", "1MiB");
    }

    /** Returns the output of {@code doctor}, with each finding on one line. */
    private String findings(int exitCode) {
        Ended ended = cli.run("doctor");
        assertThat(ended.exitCode()).as(ended.out()).isEqualTo(exitCode);
        assertThat(ended.err()).isEmpty();
        assertThat(ended.out()).endsWith(exitCode == 0 ? "no problems found\n" : "problems found, see above\n");
        return ended.out().replace("\n    ", " ");
    }

    @Test
    void everythingWorks_exits0() throws Exception {
        cli.startAgent();
        assertThat(findings(0))
                .contains(
                        "ok  settings: can be read\n",
                        "ok  outbox: " + cli.outbox() + "\n",
                        "ok  agent: runs as process " + ProcessHandle.current().pid() + "\n",
                        "ok  agent: accepts certificates of up to 1048576 bytes\n",
                        "ok  disk: ",
                        "ok  " + backend.endpoint() + ": is reachable and serves\n",
                        "ok  " + backend.endpoint() + ": is ready\n",
                        "ok  clock: agrees with the clock of " + backend.endpoint() + "\n",
                        "ok  key: " + backend.endpoint() + " knows it\n")
                .doesNotContain("BAD", "?   ");
    }

    @Test
    void key_400WithoutTheMark_isDoubtful() throws Exception {
        backend.marks = false;
        cli.startAgent();

        assertThat(findings(0))
                .contains("?   key: " + backend.endpoint() + " answers 400 without the backend's mark: it is an older"
                        + " version, or a proxy answers or changes bodies; certificates that are refused so are held");
    }

    @Test
    void invalidSettings_exits2AndNamesEach() {
        Ended ended = new Cli(directory).with("BATCH_SIZE", "0").run("doctor");

        assertThat(ended.exitCode()).isEqualTo(2);
        assertThat(ended.out()).isEmpty();
        assertThat(ended.err())
                .contains("flk-agent: ENDPOINT: not set", "flk-agent: PCS_SIGN_ALG: not set", "flk-agent: BATCH_SIZE");
    }

    @Test
    void shortSecretAndIneffectiveSetting_areDoubtful() throws Exception {
        cli.with("PCS_HMAC_KEY", "short").with("PCS_ED25519_PRIV_B64", "of another algorithm");
        cli.startAgent();

        assertThat(findings(0))
                .contains(
                        "?   settings: PCS_HMAC_KEY: has only 5 characters and can be guessed;",
                        "?   settings: PCS_ED25519_PRIV_B64: has no effect, because PCS_SIGN_ALG is hmac\n")
                .doesNotContain("short", "of another");
    }

    @Test
    void key_olderBackend_saysThatTheProbeWasCounted() {
        backend.submit = line -> Said.error(400, "schema must be fractal-lba-kakeya");

        assertThat(findings(0))
                .contains("ok  key: " + backend.endpoint()
                        + " knows it; this backend is an older version and has counted the probe as malformed");
    }

    @Test
    void wrongKey_noShardIsKnown_isDoubtful() {
        backend.submit = line -> Said.error(401, "Signature verification failed");

        assertThat(findings(0))
                .contains("?   key: " + backend.endpoint() + " (instance 0123456789abcdef) does not know it, or accepts"
                        + " it only for some shards, and no shard of this agent is known; set SHARD_ID");
    }

    @Test
    void key_isProbedForAShardOfTheOutbox_orOfASource() throws Exception {
        cli.submit(certificate(1));
        assertThat(findings(1)).contains("but no agent runs");
        assertThat(backend.received).isNotEmpty().allMatch(sent -> sent.contains("\"shard_id\":\"shard-1\""));

        backend.received.clear();
        cli.with(
                "SOURCES_FILE",
                Files.writeString(directory.resolve("sources.yaml"), """
                                sources:
                                  - name: pump
                                    files: /a.csv
                                    time: t
                                    values: [v]
                                    shard: plant-7/pump
                                """).toString());
        assertThat(findings(1)).contains("but no agent runs");
        assertThat(backend.received).isNotEmpty().allMatch(sent -> sent.contains("\"shard_id\":\"plant-7/pump\""));
    }

    @Test
    void wrongKey_isBad() {
        cli.with("SHARD_ID", "pump");
        backend.submit = line -> Said.error(401, "Signature verification failed");

        assertThat(findings(1))
                .contains("BAD key: " + backend.endpoint() + " (instance 0123456789abcdef)"
                        + " does not know it, or does not accept it for shard pump; compare"
                        + " PCS_SIGN_ALG and the key on both sides\n");
    }

    @Test
    void key_oneOfTwoBackendsBehindTheAddressLags_isBadAndNamed() throws Exception {
        backend.keys = null;
        AtomicInteger requests = new AtomicInteger();
        Said refused = Said.error(401, "Signature verification failed");
        backend.submit = line -> requests.getAndIncrement() % 2 == 0
                ? KNOWS_THE_KEY.with("X-Flk-Instance", "a".repeat(16)).with("X-Flk-Keys", "0".repeat(16))
                : refused.with("X-Flk-Instance", "b".repeat(16)).with("X-Flk-Keys", "0".repeat(16));
        cli.startAgent();

        assertThat(findings(1))
                .contains("BAD key: behind " + backend.endpoint() + ", the backend with instance id "
                        + "b".repeat(16) + " refuses it, but " + "a".repeat(16)
                        + " accepts it; update the keys of the first\n");
    }

    @Test
    void key_backendHasOlderKeysThanAnother_isDoubtful() throws Exception {
        backend.submit = line -> Said.error(503, "keys are being updated on this backend");
        cli.startAgent();

        assertThat(findings(0)).contains("is busy (503, ", "keys are being updated on this backend");
    }

    @Test
    void key_shardWithSpecialCharacters_isCheckedForThatShard() {
        cli.with("SHARD_ID", "a\t\"b\\");

        assertThat(findings(0)).contains("ok  key: ");
        assertThat(backend.received).isNotEmpty().allMatch(sent -> sent.contains("\"shard_id\":\"a\\t\\\"b\\\\\""));
    }

    @Test
    void wrongClock_isDoubtfulWithTheOffset() throws Exception {
        AgentConfig config = AgentConfig.load(cli.settings, null, Set.of(Need.ENDPOINT, Need.SIGNING));

        assertThat(Doctor.look(config, InstantSource.offset(InstantSource.system(), Duration.ofMinutes(-10))))
                .filteredOn(finding -> finding.subject().equals("clock"))
                .singleElement()
                .satisfies(finding -> {
                    assertThat(finding.grade()).isEqualTo(Grade.DOUBTFUL);
                    assertThat(finding.text())
                            .containsPattern("is [56]\\d\\d s ahead; sending allows for it, but set up time sync");
                });
    }

    @Test
    void noBackend_isBad() {
        backend.close();

        assertThat(findings(1))
                .contains("BAD " + backend.endpoint() + ": no process listens there; check ENDPOINT, and whether the"
                        + " backend runs\n");
    }

    @Test
    void hostUnknown_isBad() {
        cli.with("ENDPOINT", "http://no-such-host.invalid:8080");

        assertThat(findings(1)).contains("its host name cannot be resolved; check ENDPOINT and the name service");
    }

    @Test
    void otherWebServer_isBad() {
        backend.health = Said.of(404, "<html>");

        assertThat(findings(1)).contains("/health answers 404; is ENDPOINT a backend's base URL?");
    }

    @Test
    void notReady_isDoubtfulAndNamesTheComponents() {
        backend.ready = Said.of(503, """
                {"ready":false,"components":[
                {"name":"log","ready":true,"detail":"up"},
                {"name":"dedup","ready":false,"detail":"Error reaching Redis"},
                {"name":"record","ready":false,"detail":"disk full"}
                ]}
                """);

        assertThat(findings(0))
                .contains("?   " + backend.endpoint() + ": is not ready: dedup: Error reaching Redis,"
                        + " record: disk full; certificates wait");
    }

    @Test
    void notReady_answerOfAnotherServer_isQuoted() {
        backend.ready = Said.of(502, "bad \u001b[2J gateway\n");

        assertThat(findings(0))
                .contains("?   " + backend.endpoint() + ": is not ready: /readyz answers 502 bad ?[2J gateway;"
                        + " certificates wait");
    }

    @Test
    void noSpace_isBad() {
        cli.with("OUTBOX_MIN_FREE_BYTES", "1000000TiB");

        assertThat(findings(1))
                .contains(
                        "BAD disk: ", "less than OUTBOX_MIN_FREE_BYTES (", ": no certificate is accepted; free space");
    }

    @Test
    void lockHeldAndAgentDoesNotAnswer_isBadAndNamesTheHolder() throws Exception {
        try (Outbox owner = cli.own()) {
            assertThat(owner.pendingEntries()).isZero();
            assertThat(findings(1))
                    .contains(
                            "BAD agent: no agent answers at " + cli.outbox().resolve("control.sock") + ", but ",
                            "is in use by process " + ProcessHandle.current().pid());
        }
    }

    @Test
    void unusablePaths_areBad() throws Exception {
        Path file = Files.createFile(directory.resolve("file"));
        cli.with("DLQ_PATH", file.resolve("dlq.jsonl").toString())
                .with("SPOOL_DIR", directory.resolve("no-spool").toString());

        assertThat(findings(1))
                .contains("BAD dead letters: " + file + " is a file, but must be a directory")
                .contains("BAD spool: SPOOL_DIR: ", "does not exist; create it");
    }

    @Test
    void unreadableDeadLetters_areBad() throws Exception {
        Path file = directory.resolve("dlq.jsonl");
        Files.createSymbolicLink(file, Path.of("/proc/self/mem")); // fails with EIO at its first byte, even for root
        cli.with("DLQ_PATH", file.toString());

        assertThat(findings(1)).contains("BAD dead letters: " + file + " can't be read: ");
    }

    @Test
    void lostRecords_areBad() throws Exception {
        cli.submit(certificate(1), certificate(2));
        cli.damage("\"epoch\":1,");

        assertThat(findings(1)).contains("BAD records: 1 lost to damage; flk-agent fsck lists them\n");
    }

    @Test
    void withoutAnAgent_changesNothingAndCountsPending() throws Exception {
        cli.submit(certificate(1), certificate(2));
        List<String> before = cli.files();

        String findings = findings(1);

        assertThat(findings).contains("BAD agent: 2 certificates wait, but no agent runs; start flk-agent run\n");
        assertThat(cli.files()).isEqualTo(before);
    }
}
