// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import ch.qos.logback.classic.Level;
import dev.flk.backend.ingest.Ingest.Outcome;
import dev.flk.backend.ingest.IngestHarness.Clock;
import dev.flk.backend.outcomes.record.RecordFollower;
import dev.flk.backend.outcomes.record.RecordIndex;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.backend.state.MemoryEngine;
import dev.flk.program.logging.LogCapture;
import dev.flk.sample.Pcs;
import dev.flk.state.History.At;
import dev.flk.state.StateEngine;
import dev.flk.state.Storage.KeyAt;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of the record of outcomes when the log that it follows does not only grow. */
class FollowedLogTest {
    @TempDir
    private Path directory;

    private final Clock clock = new Clock();
    private final StateEngine engine = MemoryEngine.started();
    private final RecordIndex index = new RecordIndex(engine, null);

    @AfterEach
    void close() {
        index.close();
        engine.close();
    }

    private IngestHarness open() throws IOException {
        return new IngestHarness(directory.resolve("log"), clock);
    }

    private RecordFollower follow(IngestHarness harness) {
        return follow(harness, engine);
    }

    private RecordFollower follow(IngestHarness harness, StateEngine engine) {
        RecordFollower follower = new RecordFollower(
                harness.decidedLog(),
                engine,
                index,
                harness.ingestMetrics::admitted,
                harness.recordMetrics,
                System::nanoTime);
        follower.start();
        return follower;
    }

    private static void submit(IngestHarness harness, int from, int to) {
        IntStream.rangeClosed(from, to).forEach(i -> harness.submit(Pcs.number(i)));
    }

    /** Returns the segments of the log, oldest first. */
    private List<Path> segments() throws IOException {
        try (Stream<Path> files = Files.list(directory.resolve("log"))) {
            return files.filter(file -> file.toString().endsWith(".wal"))
                    .sorted()
                    .toList();
        }
    }

    private List<String> keys(String namespace, String agentId, String prefix) {
        return engine.reads().keys(namespace, agentId, prefix, null, new At.Now(), 1_000).entries().stream()
                .map(KeyAt::name)
                .toList();
    }

    private static String name(int number) {
        return "epoch/%019d/%s".formatted(number, Pcs.number(number).id());
    }

    private static List<String> names(IntStream numbers) {
        return numbers.mapToObj(FollowedLogTest::name).toList();
    }

    @Test
    void stateThatStillStarts_isAwaitedWithoutAWarning() throws IOException {
        StateEngine later = MemoryEngine.notStarted(Instant::now);
        try (later;
                LogCapture log = new LogCapture("dev.flk.backend.record", Level.INFO);
                IngestHarness harness = open();
                RecordFollower follower = follow(harness, later)) {
            submit(harness, 1, 5);
            await().until(FollowedLogTest::isFollowerResting);

            later.start().toCompletableFuture().join();
            await().until(() -> follower.position() == 5);

            assertThat(log.lines("")).isEmpty();
        }
    }

    private static boolean isFollowerResting() {
        return Thread.getAllStackTraces().keySet().stream()
                .anyMatch(thread ->
                        thread.getName().equals("record-follower") && thread.getState() == Thread.State.TIMED_WAITING);
    }

    @Test
    void newestSegmentMovedWhileRead_recordContinuesInTheNext() throws IOException {
        try (IngestHarness harness = open();
                RecordFollower follower = follow(harness)) {
            submit(harness, 1, 5);
            await().until(() -> follower.position() == 5);

            Path newest = segments().get(segments().size() - 1);
            Files.move(newest, directory.resolve("moved"));
            submit(harness, 6, 40);
            await().until(() -> follower.position() >= 40 && harness.metric("flk_record_lag_records") == 0);

            assertThat(keys(RecordedOutcomes.NAMESPACE, "shard-1", "")).isEqualTo(names(IntStream.rangeClosed(1, 40)));
            assertThat(harness.metric("flk_record_missed_total")).isZero();
        }
    }

    /**
     * Checks that the record ignores the bytes of a refused submission, which may remain after the last record of a
     * segment.
     */
    @Test
    void submissionNotForced_isNotInTheRecord() throws IOException {
        try (IngestHarness harness = open();
                RecordFollower follower = follow(harness)) {
            submit(harness, 1, 5);
            await().until(() -> follower.position() == 5);

            harness.files.failForces(1);
            assertThat(harness.submit(Pcs.number(6))).isEqualTo(Outcome.Refused.LOG_FAILED);
            submit(harness, 7, 7);
            await().until(() -> follower.position() == 6);

            assertThat(keys(RecordedOutcomes.NAMESPACE, "shard-1", ""))
                    .isEqualTo(names(IntStream.of(1, 2, 3, 4, 5, 7)));
        }
    }

    /**
     * Simulates two backends that share one state and receive the same certificates. The state is in memory instead of
     * Postgres.
     */
    @Test
    void twoLogsWithTheSameCertificates_areRecordedOnce() throws IOException {
        try (IngestHarness one = open();
                IngestHarness two = new IngestHarness(directory.resolve("other"), clock)) {
            submit(one, 1, 300);
            submit(two, 1, 300);
            try (RecordFollower first = follow(one);
                    RecordFollower second = follow(two)) {
                await().until(() -> first.position() == 300 && second.position() == 300);
            }

            assertThat(engine.reads()
                            .keys(RecordedOutcomes.NAMESPACE, "shard-1", "", null, new At.Now(), 1_000)
                            .entries())
                    .hasSize(300)
                    .allMatch(key -> key.version() == 1);
        }
    }

    @Test
    void segmentRemovedBeforeItWasRead_isCountedOnceAndTheRestIsRecorded() throws IOException {
        for (int first = 1; first <= 7; first += 3) {
            try (IngestHarness harness = open()) {
                submit(harness, first, first + 2);
            }
        }
        try (IngestHarness harness = open()) {
            Files.delete(segments().get(1));

            for (int start = 1; start <= 2; start++) {
                try (RecordFollower follower = follow(harness)) {
                    await().until(() -> follower.position() == 9);
                    assertThat(harness.metric("flk_record_missed_total")).isEqualTo(3);
                }
            }

            assertThat(keys(RecordedOutcomes.NAMESPACE, "shard-1", ""))
                    .isEqualTo(names(IntStream.of(1, 2, 3, 7, 8, 9)));
            assertThat(keys(
                            RecordFollower.POSITIONS,
                            "record",
                            harness.decidedLog().logId() + "/"))
                    .singleElement()
                    .asString()
                    .endsWith("/missing/%019d".formatted(4));
        }
    }

    @Test
    void everythingDecidedWasRemoved_recordContinuesWithTheNextSubmission() throws IOException {
        try (IngestHarness harness = open();
                RecordFollower follower = follow(harness)) {
            submit(harness, 1, 3);
            await().until(() -> follower.position() == 3);
        }
        try (IngestHarness harness = open()) {
            submit(harness, 4, 6);
        }
        try (IngestHarness harness = open()) {
            Files.delete(segments().get(1));
            try (RecordFollower follower = follow(harness)) {
                await().until(FollowedLogTest::isFollowerResting);

                submit(harness, 7, 9);
                await().until(() -> follower.position() == 9);
                assertThat(harness.metric("flk_record_missed_total")).isEqualTo(3);
            }

            assertThat(keys(RecordedOutcomes.NAMESPACE, "shard-1", ""))
                    .isEqualTo(names(IntStream.of(1, 2, 3, 7, 8, 9)));
        }
    }

    /**
     * Restores a log without its last records, and lets it grow beyond the follower's position before the follower
     * reads it.
     */
    @Test
    void logRestoredFromACopy_grownPastThePosition_isReadAgain() throws IOException {
        try (IngestHarness harness = open()) {
            submit(harness, 1, 3);
        }
        Path copy = directory.resolve("copy");
        copyLog(directory.resolve("log"), copy);
        try (IngestHarness harness = open();
                RecordFollower follower = follow(harness)) {
            submit(harness, 4, 6);
            await().until(() -> follower.position() == 6);
        }
        copyLog(copy, directory.resolve("log"));
        try (IngestHarness harness = open()) {
            submit(harness, 11, 16);
        }

        try (LogCapture log = new LogCapture("dev.flk.backend.record", Level.WARN);
                IngestHarness harness = open();
                RecordFollower follower = follow(harness)) {
            await().until(() -> follower.position() == 9);
            assertThat(log.lines("up to sequence 6")).singleElement().asString().startsWith("ERROR ");
        }

        assertThat(keys(RecordedOutcomes.NAMESPACE, "shard-1", ""))
                .isEqualTo(names(IntStream.of(1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16)));
    }

    /** Replaces the content of {@code to} with the files of {@code from}. */
    private static void copyLog(Path from, Path to) throws IOException {
        Files.createDirectories(to);
        for (Path old : files(to)) {
            Files.delete(old);
        }
        for (Path file : files(from)) {
            Files.copy(file, to.resolve(file.getFileName()));
        }
    }

    private static List<Path> files(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.toList();
        }
    }
}
