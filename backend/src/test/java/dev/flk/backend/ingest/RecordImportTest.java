// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.ingest.IngestHarness.Clock;
import dev.flk.backend.outcomes.record.DecidedQueue;
import dev.flk.backend.outcomes.record.OutcomeRows;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.RecordFollower;
import dev.flk.backend.outcomes.record.RecordFollower.Keeping;
import dev.flk.backend.outcomes.record.RecordImport;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.backend.outcomes.record.TemporaryRows;
import dev.flk.backend.state.MemoryEngine;
import dev.flk.sample.Pcs;
import dev.flk.state.Operation;
import dev.flk.state.StateEngine;
import dev.flk.state.StateKey;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of the move of the record out of the state. */
class RecordImportTest {
    private static final int OUTCOMES = 2_345;

    @TempDir
    private Path directory;

    private final Clock clock = new Clock();
    private final StateEngine engine = MemoryEngine.started();

    @AfterEach
    void close() {
        engine.close();
    }

    private IngestHarness open() throws IOException {
        return new IngestHarness(directory.resolve("log"), clock);
    }

    private void write(StateKey key, String json) {
        engine.apply("record", List.of(new Operation.Write(key, json, Operation.ANY_VERSION)), "")
                .toCompletableFuture()
                .join();
    }

    private static String json(String verdict, int number) {
        return "{\"verdict\":\"%s\",\"D_hat\":1.4,\"regime\":\"mixed\",\"budget\":0.2,\"received_at\":\"%s\",\"key_id\":\"k\"}"
                .formatted(verdict, Instant.EPOCH.plusSeconds(number));
    }

    private static String id(int number) {
        return "%064x".formatted(number * 7_919L);
    }

    private static StateKey key(String shard, int number) {
        return RecordedOutcomes.key(RecordImport.NAMESPACE, shard, number, id(number));
    }

    /** Writes outcomes as earlier versions did. */
    private void recordInTheState() {
        List<Operation> operations = new ArrayList<>();
        for (int i = 0; i < OUTCOMES; i++) {
            operations.add(new Operation.Write(key("shard-" + i % 3, i), json("accepted", i), Operation.ANY_VERSION));
            if (operations.size() == 500 || i == OUTCOMES - 1) {
                engine.apply("record", List.copyOf(operations), "")
                        .toCompletableFuture()
                        .join();
                operations.clear();
            }
        }
    }

    /** Follows the log until the record is up to date with it. */
    private static void follow(IngestHarness harness, TemporaryRows rows, RecordImport moving) {
        try (RecordFollower follower = new RecordFollower(
                harness.decidedLog(),
                rows.rows(),
                new DecidedQueue(),
                new Keeping(moving, Duration.ofDays(36_500), Instant::now),
                harness.ingestMetrics::admitted,
                harness.recordMetrics,
                System::nanoTime)) {
            follower.start();
            await().until(() -> follower.incompleteBefore().isEmpty()
                    && follower.position() == harness.decidedLog().last());
        }
    }

    private static List<Version> everything(TemporaryRows rows) {
        try {
            return rows.rows().changes("", 100_000).stream()
                    .map(OutcomeRows.Change::version)
                    .toList();
        } catch (OutcomeRows.ChangesLostException e) {
            throw new AssertionError(e);
        }
    }

    private List<Version> moved(RecordImport moving, TemporaryRows rows) throws IOException {
        boolean isMore = true;
        while (isMore) {
            isMore = moving.step(rows.rows());
        }
        return everything(rows);
    }

    @Test
    void step_severalVersionsAndOddShards_areAllMoved() throws IOException {
        String odd = "line\nend " + "x".repeat(300);
        write(key("shard", 1), json("accepted", 1));
        write(key("shard", 1), json("escalated", 1));
        write(key("shard", 1), json("rejected", 1));
        write(key("shard", 2), json("accepted", 2));
        write(
                key(odd, 3),
                json("accepted", 3)
                        .replace(
                                ",\"received_at\"",
                                ",\"shard_id\":\"line\\nend " + "x".repeat(300) + "\",\"received_at\""));

        try (IngestHarness harness = open();
                TemporaryRows rows = new TemporaryRows()) {
            moved(new RecordImport(engine, harness.decidedLog()), rows);

            assertThat(rows.rows().versions(new RowKey("shard", 1, id(1)), 10))
                    .extracting(Version::json)
                    .containsExactly(json("rejected", 1), json("escalated", 1), json("accepted", 1));
            assertThat(rows.rows().versions(new RowKey(odd, 3, id(3)), 10))
                    .extracting(Version::json)
                    .containsExactly(json("accepted", 3));
            assertThat(rows.rows().shards("", null, 10)).containsExactlyInAnyOrder("shard", odd);
        }
    }

    /** Stops after each number of steps without a flush, opens the rows again, and moves the rest. */
    @Test
    void step_killedAnywhere_movesTheSame() throws IOException {
        recordInTheState();
        try (IngestHarness harness = open();
                TemporaryRows uninterrupted = new TemporaryRows()) {
            List<Version> all = moved(new RecordImport(engine, harness.decidedLog()), uninterrupted);
            assertThat(all).hasSize(OUTCOMES);

            for (int steps = 0; steps < 6; steps++) {
                try (TemporaryRows rows = new TemporaryRows()) {
                    RecordImport killed = new RecordImport(engine, harness.decidedLog());
                    for (int i = 0; i < steps; i++) {
                        killed.step(rows.rows());
                        if (i == steps / 2) {
                            rows.rows().sync();
                        }
                    }
                    rows.kill();
                    assertThat(moved(new RecordImport(engine, harness.decidedLog()), rows))
                            .as("killed after %s steps", steps)
                            .isEqualTo(all);
                }
            }
        }
    }

    /** The record in the state ends in the middle of the log. */
    @Test
    void positionInTheState_isWhereTheRecordContinues() throws Exception {
        try (IngestHarness harness = open()) {
            IntStream.rangeClosed(1, 20).forEach(i -> harness.submit(Pcs.number(i)));
        }
        try (IngestHarness harness = open();
                TemporaryRows rows = new TemporaryRows()) {
            LogRecord tenth = IngestHarness.logged(directory.resolve("log")).get(9);
            String line = "10 " + tenth.arrivalMillis() + " s " + tenth.keyId() + "\n";
            MessageDigest sha256 = MessageDigest.getInstance("SHA-256");
            sha256.update(line.getBytes(StandardCharsets.UTF_8));
            String digest = HexFormat.of().formatHex(sha256.digest(tenth.body()), 0, 8);
            write(
                    new StateKey(
                            RecordImport.POSITIONS,
                            "record",
                            harness.decidedLog().logId()),
                    "{\"sequence\":10,\"digest\":\"" + digest + "\"}");
            write(key("shard-of-the-state", 1), json("accepted", 1));

            follow(harness, rows, new RecordImport(engine, harness.decidedLog()));

            assertThat(everything(rows))
                    .hasSize(11)
                    .first()
                    .extracting(version -> version.key().shard())
                    .isEqualTo("shard-of-the-state");
        }
    }

    /** As with a dedup store that is not embedded. */
    @Test
    void rowsThatNobodyHasOpened_areOpened() throws IOException {
        write(key("shard", 1), json("accepted", 1));
        try (IngestHarness harness = open();
                TemporaryRows rows = TemporaryRows.unopened()) {
            harness.submit(Pcs.number(1));

            follow(harness, rows, new RecordImport(engine, harness.decidedLog()));

            assertThat(everything(rows)).hasSize(2);
        }
    }

    @Test
    void positionOfAnotherLog_theWholeLogIsRead() throws IOException {
        try (IngestHarness harness = open();
                TemporaryRows rows = new TemporaryRows()) {
            IntStream.rangeClosed(1, 20).forEach(i -> harness.submit(Pcs.number(i)));
            write(
                    new StateKey(
                            RecordImport.POSITIONS,
                            "record",
                            harness.decidedLog().logId()),
                    "{\"sequence\":10,\"digest\":\"0123456789abcdef\"}");

            follow(harness, rows, new RecordImport(engine, harness.decidedLog()));

            assertThat(everything(rows)).hasSize(20);
        }
    }
}
