// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIOException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.agent.outbox.Outbox.LastSending;
import dev.flk.agent.outbox.OutboxContents.Losses;
import dev.flk.agent.outbox.certificate.CertificateSink.OutboxFull;
import dev.flk.program.logging.LogCapture;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.Damage.Kind;
import dev.flk.wal.testing.FaultyFiles;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OutboxTest {
    private static final InstantSource CLOCK = InstantSource.fixed(Instant.parse("2026-11-20T08:00:00Z"));

    private static final long MAX_BYTES = 64 << 20;

    @TempDir
    Path temporary;

    private Path directory;

    @BeforeEach
    void name() {
        directory = temporary.resolve("outbox.wal");
    }

    @Test
    void losses_ofUnknownLength_countAsOne() {
        assertThat(Losses.of(List.of(Damage.ofUnknown(Kind.BROKEN, "outbox-1.wal", 5)))
                        .records())
                .isEqualTo(1);
        assertThat(Losses.of(List.of()).records()).isZero();
    }

    @Test
    void append_reopened_isStillPending() throws Exception {
        try (Outbox outbox = open()) {
            outbox.append(List.of(body(1), body(2)));
        }

        try (Outbox outbox = open()) {
            assertThat(bodies(outbox)).containsExactly("certificate 1", "certificate 2");
            assertThat(outbox.oldest().orElseThrow().addedMillis()).isEqualTo(CLOCK.millis());
        }
    }

    @Test
    void attempt_notArrivedOrUnknown_isRememberedAcrossARestart() throws Exception {
        try (Outbox outbox = open()) {
            outbox.append(List.of(body(1), body(2), body(3)));
            List<OutboxEntry> entries = all(outbox);
            CompletableFuture<Void> noted = new CompletableFuture<>();
            outbox.beingSent(
                    entries.subList(0, 2),
                    new LastSending(Instant.ofEpochMilli(1234), Instant.ofEpochMilli(1234)),
                    () -> noted.complete(null));
            noted.join();
            outbox.notArrived(entries.subList(0, 1));
        }

        try (Outbox outbox = open()) {
            assertThat(all(outbox))
                    .extracting(OutboxEntry::unansweredSinceMillis)
                    .containsExactly(-1L, 1234L, -1L);
        }
    }

    @Test
    void onArrival_isCalledOnceTheEntryIsPending() throws Exception {
        try (Outbox outbox = open()) {
            List<Integer> pending = new ArrayList<>();
            outbox.onArrival(() -> pending.add(outbox.pendingEntries()));

            outbox.append(List.of(body(1)));
            outbox.append(List.of(body(2), body(3)));

            assertThat(pending).containsExactly(1, 3);
        }
    }

    @Test
    void oldestSegmentMissing_isReported_untilItIsRepaired() throws Exception {
        for (boolean emptied : new boolean[] {false, true}) {
            directory = temporary.resolve("emptied-" + emptied);
            writeThreeSegments();
            Path oldest = segments().get(0);
            Files.delete(oldest);
            if (emptied) {
                Files.createFile(oldest);
            }
            OutboxInspector inspector = new OutboxInspector(directory);

            assertThat(inspector.check().missing())
                    .containsExactly("segment " + oldest.getFileName() + " is missing, with records 1 to 2");
            assertThat(inspector.summary().lostRecords()).isEqualTo(2);
            for (int start = 0; start < 2; start++) {
                try (Outbox outbox = open()) {
                    assertThat(outbox.losses()).hasSize(1);
                    assertThat(outbox.lostRecords()).isEqualTo(2);
                    assertThat(bodies(outbox)).doesNotContain("certificate 1").contains("certificate 6");
                }
            }
            inspector.repair();
            assertThat(inspector.check().isComplete()).isTrue();
            try (Outbox outbox = open()) {
                assertThat(outbox.losses()).isEmpty();
            }
        }
    }

    @Test
    void newestSegmentsMissing_nextStartReportsIt() throws Exception {
        writeThreeSegments();
        for (Path newest : segments().subList(2, segments().size())) {
            Files.delete(newest);
        }

        assertThat(new OutboxInspector(directory).check().missingRecords()).isEqualTo(2);
        assertThat(new OutboxInspector(directory).summary().lostRecords()).isEqualTo(2);
        try (Outbox outbox = open()) {
            assertThat(outbox.lostRecords()).isEqualTo(2);
            outbox.append(List.of(body(7)));
        }
        try (Outbox outbox = open()) {
            assertThat(outbox.losses()).isEmpty();
            assertThat(bodies(outbox))
                    .contains("certificate 4", "certificate 7")
                    .doesNotContain("certificate 6");
        }
    }

    @Test
    void compacted_oldestSegmentsRemoved_nothingIsReported() throws Exception {
        writeThreeSegments();
        try (Outbox outbox = open()) {
            outbox.settle(SettledAs.ACCEPTED, all(outbox).subList(0, 4));
            assertThat(outbox.compact(Duration.ZERO, OutboxCompaction.Mode.RUN).removedSegments())
                    .isPositive();
        }

        assertThat(new OutboxInspector(directory).check().isComplete()).isTrue();
        try (Outbox outbox = open()) {
            assertThat(outbox.losses()).isEmpty();
            assertThat(bodies(outbox)).containsExactly("certificate 5", "certificate 6");
        }
    }

    @Test
    void rangeEmptyDamagedOrForeign_missingOldestSegmentIsNotReported() throws Exception {
        writeThreeSegments();
        Path range = directory.resolve("outbox.range");
        Path ours = directory;
        directory = temporary.resolve("another");
        writeThreeSegments();
        byte[] theirs = Files.readAllBytes(directory.resolve("outbox.range"));
        directory = ours;
        for (byte[] content : new byte[][] {new byte[0], "flk-range1 x".getBytes(StandardCharsets.UTF_8), theirs}) {
            Files.delete(segments().get(0));
            Files.write(range, content);
            try (Outbox outbox = open()) {
                assertThat(outbox.losses()).isEmpty();
            }
        }
    }

    /** Writes three segments, one per start, with two certificates each. */
    private void writeThreeSegments() throws IOException {
        for (int segment = 0; segment < 3; segment++) {
            try (Outbox outbox = open()) {
                outbox.append(List.of(body(2 * segment + 1)));
                outbox.append(List.of(body(2 * segment + 2)));
            }
        }
    }

    private List<Path> segments() throws IOException {
        return segments(directory).stream()
                .filter(file -> file.toFile().length() > 0)
                .toList();
    }

    @Test
    void append_outboxFull_isRefusedAndAddsNothing() throws Exception {
        try (Outbox outbox = Outbox.open(new OutboxOptions(directory, 25_000, 0), CLOCK)) {
            outbox.append(List.of(new byte[15_000]));

            assertThatExceptionOfType(OutboxFull.class)
                    .isThrownBy(() -> outbox.append(List.of(new byte[5_000])))
                    .withMessageContaining("OUTBOX_MAX_BYTES");
            assertThat(outbox.pendingEntries()).isEqualTo(1);
        }
    }

    @Test
    void append_fullOfSettledEntries_makesRoom() throws Exception {
        try (Outbox outbox = Outbox.open(new OutboxOptions(directory, 200_000, 0), CLOCK)) {
            // the entry is so large that compaction is worthwhile despite the segment's header; a fruitless compaction
            // would delay the next one by a minute
            outbox.append(List.of(new byte[150_000], body(2)));
            outbox.settle(SettledAs.ACCEPTED, all(outbox).subList(0, 1));

            outbox.append(List.of(new byte[150_000]));

            assertThat(outbox.pendingEntries()).isEqualTo(2);
        }
        try (Outbox outbox = open()) {
            assertThat(bodies(outbox)).startsWith("certificate 2").hasSize(2);
        }
    }

    @Test
    void append_fullOfSettledEntriesFromSeveralThreads_allAreAdded() throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(4);
        try (Outbox outbox = Outbox.open(new OutboxOptions(directory, 40_000, 0), CLOCK)) {
            for (int round = 0; round < 20; round++) {
                outbox.append(List.of(new byte[12_000], new byte[12_000]));
                outbox.settle(SettledAs.ACCEPTED, all(outbox));
                List<Callable<Void>> appends = Collections.nCopies(4, () -> {
                    outbox.append(List.of(new byte[5_000]));
                    return null;
                });
                for (Future<Void> append : threads.invokeAll(appends)) {
                    append.get();
                }
                outbox.settle(SettledAs.ACCEPTED, all(outbox));
            }
        } finally {
            threads.shutdown();
        }
    }

    @Test
    void close_lockWasLost_isNotReportedAsAFailureOfTheRange() throws Exception {
        try (LogCapture log = new LogCapture()) {
            try (Outbox outbox = open()) {
                outbox.append(List.of(body(1)));
                Files.delete(directory.resolve("lock"));
                assertThatThrownBy(() -> outbox.append(List.of(body(2)))).hasMessageContaining("stopped writing");
            }

            assertThat(log.lines("outbox.range")).isEmpty();
        }
    }

    @Test
    void open_damageInTheMiddle_continuesAndReportsTheLoss() throws Exception {
        try (Outbox outbox = open()) {
            for (int i = 1; i <= 4; i++) {
                outbox.append(List.of(body(i)));
            }
        }
        Path segment = segment(directory);
        String text = Files.readString(segment, StandardCharsets.ISO_8859_1);
        Files.writeString(segment, text.replace("certificate 2", "certificate X"), StandardCharsets.ISO_8859_1);

        try (Outbox outbox = open()) {
            assertThat(bodies(outbox)).containsExactly("certificate 1", "certificate 3", "certificate 4");
            assertThat(outbox.losses()).singleElement().asString().contains("record 2 can't be read");
            assertThat(outbox.lostRecords()).isEqualTo(1);
        }
    }

    @Test
    void open_unreadableBlock_losesOnlyItsEntries() throws Exception {
        fillBlocks();
        FaultyFiles files = new FaultyFiles();
        files.failReads(segment(directory).getFileName().toString(), 16384, 20480, Integer.MAX_VALUE);

        try (Outbox outbox = Outbox.open(options(), CLOCK, files)) {
            assertThat(outbox.pendingEntries()).isBetween(40 - 6, 40 - 4);
            assertThat(outbox.lostRecords()).isEqualTo(40 - outbox.pendingEntries());
            assertThat(outbox.losses()).hasSize(2);
            assertThat(outbox.losses().get(1)).contains("can't be read at byte 16384 (injected: Input/output error)");
            assertThat(bodies(outbox)).hasSize(outbox.pendingEntries());
        }
    }

    @Test
    void append_tooManyOpenFiles_isNoFailureOfTheDiskAndTemporary() throws Exception {
        FaultyFiles files = new FaultyFiles();
        try (Outbox outbox = Outbox.open(options(), CLOCK, files)) {
            files.setFilesExhausted(true);
            files.failForces(1); // so that the outbox needs another segment
            assertThatThrownBy(() -> outbox.append(List.of(body(1)))).isInstanceOf(IOException.class);

            assertThatThrownBy(() -> outbox.append(List.of(body(2))))
                    .isInstanceOf(OutboxFull.class)
                    .hasMessageContaining("Too many open files");
            files.setFilesExhausted(false);

            outbox.append(List.of(body(2)));
            assertThat(bodies(outbox)).hasSize(1);
        }
    }

    @Test
    void open_lastGroupUnreadableOnce_stopsWithoutTruncation() throws Exception {
        fillBlocks();
        List<Path> segments = segments(directory);
        Files.delete(segments.get(segments.size() - 1)); // as if the process had been killed
        Path newest = segments.get(0);
        byte[] before = Files.readAllBytes(newest);
        FaultyFiles files = new FaultyFiles();
        files.failReads(newest.getFileName().toString(), before.length - 1, before.length, Integer.MAX_VALUE);

        assertThatThrownBy(() -> Outbox.open(options(), CLOCK, files))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("may contain answered records. Nothing was changed");
        assertThat(newest).hasBinaryContent(before);
        assertThat(segments(directory)).containsExactly(newest);

        try (Outbox outbox = open()) {
            assertThat(bodies(outbox)).hasSize(40);
        }
    }

    @Test
    void bodies_blockBecomesUnreadable_skipsItsEntriesUntilTheNextStart() throws Exception {
        fillBlocks();
        FaultyFiles files = new FaultyFiles();
        try (Outbox outbox = Outbox.open(options(), CLOCK, files)) {
            files.failReads(segment(directory).getFileName().toString(), 16384, 20480, Integer.MAX_VALUE);

            var bodies = outbox.bodies(all(outbox));
            assertThat(bodies).hasSizeBetween(40 - 6, 40 - 4);
            outbox.settle(
                    SettledAs.LOST,
                    all(outbox).stream()
                            .filter(entry -> !bodies.containsKey(entry.sequence()))
                            .toList());

            assertThat(outbox.pendingEntries()).isEqualTo(bodies.size());
            assertThat(outbox.lostRecords()).isEqualTo(40 - bodies.size());
        }
        try (Outbox outbox = open()) {
            assertThat(bodies(outbox)).hasSize(40);
            assertThat(outbox.lostRecords()).isZero();
        }
    }

    @Test
    void open_unreadableBeginningOfASegment_namesItWithAdvice() throws Exception {
        fillBlocks();
        FaultyFiles files = new FaultyFiles();
        files.failReads(segment(directory).getFileName().toString(), 0, 1, Integer.MAX_VALUE);

        assertThatThrownBy(() -> Outbox.open(options(), CLOCK, files))
                .hasMessageContaining(segment(directory).toString())
                .hasMessageContaining("move the file away");
    }

    @Test
    void retryNotes_entryWasSentAgain_isUnansweredAfterARestart() throws Exception {
        FaultyFiles files = new FaultyFiles();
        try (Outbox outbox = Outbox.openStepped(options(), CLOCK, System::nanoTime, files, new Random(7))) {
            outbox.append(List.of(body(1), body(2)));
            outbox.beingSent(all(outbox), sendingAt(1_000), () -> {});
            outbox.append(List.of(body(3))); // makes the log write
            files.setDiskFull(true);
            outbox.notArrived(all(outbox).subList(0, 2));
            assertThatIOException().isThrownBy(() -> outbox.append(List.of(body(4))));
            files.setDiskFull(false);
            outbox.beingSent(all(outbox).subList(0, 1), sendingAt(2_000), () -> {});
            outbox.append(List.of(body(5)));

            outbox.retryNotes();
            outbox.append(List.of(body(6)));
            assertThat(unanswered(outbox)).startsWith(2_000L, -1L);
        }
        try (Outbox outbox = open()) {
            // not 2000, because the log does not say that the first sending has not arrived
            assertThat(unanswered(outbox)).startsWith(1_000L, -1L);
        }
    }

    @Test
    void retryNotes_sendingHasNotArrivedSince_isNotUnansweredAfterARestart() throws Exception {
        FaultyFiles files = new FaultyFiles();
        try (Outbox outbox = Outbox.openStepped(options(), CLOCK, System::nanoTime, files, new Random(7))) {
            outbox.append(List.of(body(1), body(2)));
            files.setDiskFull(true);
            outbox.beingSent(all(outbox), sendingAt(1_000), () -> {});
            assertThatIOException().isThrownBy(() -> outbox.append(List.of(body(3))));
            files.setDiskFull(false);
            outbox.notArrived(all(outbox).subList(0, 1));
            outbox.append(List.of(body(4)));

            outbox.retryNotes();
            outbox.append(List.of(body(5)));
        }
        try (Outbox outbox = open()) {
            assertThat(unanswered(outbox)).startsWith(-1L, 1_000L);
        }
    }

    private static LastSending sendingAt(long millis) {
        return new LastSending(Instant.ofEpochMilli(millis), Instant.ofEpochMilli(millis));
    }

    private static List<Long> unanswered(Outbox outbox) {
        return all(outbox).stream().map(OutboxEntry::unansweredSinceMillis).toList();
    }

    /** Writes forty certificates of a thousand bytes to one segment, and forces each one separately. */
    private void fillBlocks() throws IOException {
        try (Outbox outbox = open()) {
            for (int i = 0; i < 40; i++) {
                outbox.append(List.of(new byte[1000]));
            }
        }
    }

    @Test
    void bodies_beyondTheMemoryLimit_areReadFromDisk() throws Exception {
        byte[] large = new byte[3 << 20];
        try (Outbox outbox = Outbox.open(new OutboxOptions(directory, 1L << 30, 0), CLOCK)) {
            for (int i = 0; i < 16; i++) {
                large[0] = (byte) i;
                outbox.append(List.of(large.clone()));
            }

            var bodies = outbox.bodies(all(outbox));

            assertThat(all(outbox))
                    .hasSize(16)
                    .allSatisfy(entry ->
                            assertThat(bodies.get(entry.sequence())[0]).isEqualTo((byte) (entry.sequence() - 1)));
        }
    }

    private Outbox open() throws IOException {
        return Outbox.open(options(), CLOCK);
    }

    private OutboxOptions options() {
        return new OutboxOptions(directory, MAX_BYTES, 0);
    }

    private static byte[] body(int number) {
        return ("certificate " + number).getBytes(StandardCharsets.UTF_8);
    }

    private static List<OutboxEntry> all(Outbox outbox) {
        return outbox.pendingAfter(0, Integer.MAX_VALUE);
    }

    private static List<String> bodies(Outbox outbox) throws IOException {
        var bodies = outbox.bodies(all(outbox));
        return all(outbox).stream()
                .map(entry -> new String(bodies.get(entry.sequence()), StandardCharsets.UTF_8))
                .toList();
    }

    private static Path segment(Path directory) throws IOException {
        return segments(directory).get(0);
    }

    private static List<Path> segments(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.filter(file -> file.toString().endsWith(".wal"))
                    .sorted()
                    .toList();
        }
    }
}
