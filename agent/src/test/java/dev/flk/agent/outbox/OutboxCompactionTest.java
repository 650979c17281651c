// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

import dev.flk.agent.outbox.DiskQuota.Reserve;
import dev.flk.agent.outbox.Outbox.LastSending;
import dev.flk.agent.outbox.OutboxCompaction.Mode;
import dev.flk.agent.outbox.OutboxCompaction.Report;
import dev.flk.agent.outbox.certificate.CertificateSink.OutboxFull;
import dev.flk.wal.testing.FaultyFiles;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OutboxCompactionTest {
    private static final Duration HORIZON = Duration.ofDays(14);

    @TempDir
    Path temporary;

    /** Files on a full disk that has space again after the reserve is deleted. */
    private static final class FilesOnSmallDisk extends FaultyFiles {
        @Override
        public void delete(Path file) throws IOException {
            super.delete(file);
            if (file.endsWith(Reserve.FILE)) {
                setDiskFull(false);
            }
        }
    }

    private final FaultyFiles files = new FilesOnSmallDisk();
    private Path directory;
    private Instant now = Instant.parse("2026-11-20T08:00:00Z");
    private Outbox outbox;

    @BeforeEach
    void start() throws IOException {
        directory = temporary.resolve("outbox");
        outbox = open();
    }

    private Outbox open() throws IOException {
        return Outbox.open(new OutboxOptions(directory, 64 << 20, 0), () -> now, files);
    }

    @AfterEach
    void stop() throws IOException {
        outbox.close();
    }

    private void add(int from, int to) throws IOException {
        outbox.append(IntStream.rangeClosed(from, to).mapToObj(this::body).toList());
    }

    private byte[] body(int number) {
        return ("certificate " + number + " " + "x".repeat(2_000)).getBytes(StandardCharsets.UTF_8);
    }

    private List<OutboxEntry> waiting() {
        return outbox.pendingAfter(0, Integer.MAX_VALUE);
    }

    private List<String> names() throws IOException {
        var bodies = outbox.bodies(waiting());
        return waiting().stream()
                .map(entry -> new String(bodies.get(entry.sequence()), StandardCharsets.UTF_8).strip())
                .map(text -> text.substring(0, text.lastIndexOf(' ')))
                .toList();
    }

    private long segments(String ending) throws IOException {
        try (Stream<Path> all = Files.list(directory)) {
            return all.filter(file -> file.toString().endsWith(ending)).count();
        }
    }

    private String oldestSegment() throws IOException {
        try (Stream<Path> all = Files.list(directory)) {
            return all.map(file -> file.getFileName().toString())
                    .filter(name -> name.endsWith(".wal"))
                    .sorted()
                    .findFirst()
                    .orElseThrow();
        }
    }

    @Test
    void settledEntries_withinTheHorizon_stay_afterIt_areRemoved() throws Exception {
        add(1, 10);
        outbox.settle(SettledAs.ACCEPTED, waiting());
        outbox.compact(HORIZON, Mode.RUN);
        now = now.plus(Duration.ofDays(13));

        assertThat(outbox.compact(HORIZON, Mode.RUN).removedSegments()).isZero();
        now = now.plus(Duration.ofDays(1));
        assertThat(outbox.compact(HORIZON, Mode.RUN).removedSegments()).isPositive();
        assertThat(outbox.pendingEntries()).isZero();
    }

    @Test
    void closed_removesNothingOfTheNextOwner() throws Exception {
        add(1, 10);
        outbox.settle(SettledAs.ACCEPTED, waiting());
        outbox.close();
        try (Outbox next = open()) {
            next.append(List.of(body(11), body(12)));
            next.compact(HORIZON, Mode.RUN); // closes the segment
            assertThatExceptionOfType(OutboxFull.class).isThrownBy(() -> add(13, 13));
            assertThatExceptionOfType(IOException.class)
                    .isThrownBy(() -> outbox.compact(Duration.ZERO, Mode.RUN))
                    .withMessageContaining("was already released");
        }
        outbox = open();
        assertThat(names()).containsExactly("certificate 11", "certificate 12");
    }

    @Test
    void fewPending_areRewrittenAndSurviveARestart() throws Exception {
        add(1, 100);
        outbox.beingSent(
                waiting().subList(6, 7),
                new LastSending(Instant.ofEpochMilli(1234), Instant.ofEpochMilli(1234)),
                () -> {});
        LastSending sending = outbox.lastSending().orElseThrow();
        OutboxEntry kept = waiting().get(6);
        List<OutboxEntry> done = new ArrayList<>(waiting());
        done.remove(6);
        outbox.settle(SettledAs.ACCEPTED, done);
        outbox.compact(HORIZON, Mode.RUN);
        now = now.plus(HORIZON);

        Report planned = outbox.compact(HORIZON, Mode.DRY_RUN);
        Report report = outbox.compact(HORIZON, Mode.RUN);

        assertThat(report.movedEntries()).isEqualTo(1).isEqualTo(planned.movedEntries());
        assertThat(report.removedSegments()).isPositive();
        assertThat(report.freedBytes()).isGreaterThan(150_000);
        assertThat(names()).containsExactly("certificate 7");
        outbox.close();
        outbox = open();
        assertThat(names()).containsExactly("certificate 7");
        OutboxEntry again = waiting().get(0);
        assertThat(again.sequence()).isEqualTo(kept.sequence());
        assertThat(outbox.lastSending()).contains(sending);
        assertThat(again.addedMillis()).isEqualTo(kept.addedMillis());
        assertThat(again.unansweredSinceMillis()).isEqualTo(1234);
    }

    /** Simulates a disk that can't read a block for a while, such as a detached one. */
    @Test
    void unreadableBlock_segmentIsNotCompressed_andIsCompleteWhenTheDiskIsBack() throws Exception {
        add(1, 40);
        outbox.compact(HORIZON, Mode.RUN);
        now = now.plus(Duration.ofDays(2));
        String segment = oldestSegment();
        files.failReads(segment, 16_384, 20_480, Integer.MAX_VALUE);

        assertThat(outbox.compact(HORIZON, Mode.RUN).compressedSegments()).isZero();
        assertThat(segments(".part")).isZero();

        files.failReads(segment, 0, 0, 0);
        outbox.close();
        outbox = open();
        assertThat(waiting()).hasSize(40);
    }

    @Test
    void unreadablePendingEntry_othersAreMoved() throws Exception {
        add(1, 100);
        List<OutboxEntry> waiting = List.of(waiting().get(2), waiting().get(60));
        List<OutboxEntry> done = new ArrayList<>(waiting());
        done.removeAll(waiting);
        outbox.settle(SettledAs.ACCEPTED, done);
        outbox.close();
        outbox = open();
        files.failReads(oldestSegment(), 61 * 2_000, Long.MAX_VALUE, Integer.MAX_VALUE);

        assertThat(outbox.compact(Duration.ZERO, Mode.RUN).removedSegments()).isPositive();

        assertThat(outbox.bodies(waiting)).containsOnlyKeys(3L);
    }

    /** Checks that compaction keeps a lost entry that can be read again, because the next start delivers it. */
    @Test
    void entryReadableAgain_survivesCompaction() throws Exception {
        add(1, 100);
        OutboxEntry lost = waiting().get(2);
        Path segment = directory.resolve(oldestSegment());
        outbox.settle(SettledAs.LOST, List.of(lost));
        outbox.settle(SettledAs.ACCEPTED, waiting());
        assertThat(outbox.lostRecords()).isEqualTo(1);

        assertThat(outbox.compact(Duration.ZERO, Mode.RUN).removedSegments()).isPositive();

        assertThat(segment).doesNotExist();
        outbox.close();
        outbox = open();
        assertThat(names()).containsExactly("certificate 3");
        assertThat(outbox.lostRecords()).isZero();
    }

    @Test
    void mostPending_nothingIsMoved() throws Exception {
        add(1, 100);
        outbox.settle(SettledAs.ACCEPTED, waiting().subList(0, 20));
        outbox.compact(HORIZON, Mode.RUN);
        now = now.plus(HORIZON);

        Report report = outbox.compact(HORIZON, Mode.RUN);

        assertThat(report.movedEntries()).isZero();
        assertThat(report.removedSegments()).isZero();
        assertThat(outbox.pendingEntries()).isEqualTo(80);
    }

    @Test
    void diskFull_reserve_allowsCompaction() throws Exception {
        outbox.compact(HORIZON, Mode.RUN); // creates the reserve
        add(1, 100);
        outbox.settle(SettledAs.ACCEPTED, waiting().subList(0, 99));
        add(101, 101); // after the settled entries
        files.setDiskFull(true); // until the reserve is deleted

        Report report = outbox.compact(Duration.ZERO, Mode.RUN);

        assertThat(report.movedEntries()).isEqualTo(2);
        assertThat(report.removedSegments()).isPositive();
        assertThat(names()).containsExactly("certificate 100", "certificate 101");
        assertThat(Files.size(directory.resolve(Reserve.FILE)))
                .as("taken again")
                .isEqualTo(Reserve.BYTES);
    }

    @Test
    void diskFull_noReserve_saysSoAndLosesNothing() throws Exception {
        add(1, 100);
        outbox.settle(SettledAs.ACCEPTED, waiting().subList(0, 99));
        outbox.compact(HORIZON, Mode.RUN);
        add(101, 101);
        Files.delete(directory.resolve(Reserve.FILE));
        files.setDiskFull(true);

        assertThatExceptionOfType(IOException.class)
                .isThrownBy(() -> outbox.compact(Duration.ZERO, Mode.RUN))
                .withMessageContaining("disk full");

        files.setDiskFull(false);
        assertThat(names()).containsExactly("certificate 100", "certificate 101");
    }

    @Test
    void held_moreThanHalfOfTheMostMoved_areMovedAgainAndAgain() throws Exception {
        int held = OutboxCompaction.MOST_MOVED * 6 / 10;
        outbox.append(Collections.nCopies(held, new byte[] {'x'}));

        for (int run = 0; run < 3; run++) {
            add(1, 4_000); // eight megabytes
            outbox.settle(SettledAs.ACCEPTED, waiting().subList(held, held + 4_000));
            Report report = outbox.compact(Duration.ZERO, Mode.RUN);
            assertThat(report.movedEntries()).isEqualTo(held);
            assertThat(report.removedSegments()).isPositive();
        }
    }

    @Test
    void add_roomIsTakenBySettledEntries_succeedsSoon() throws Exception {
        outbox.close();
        outbox = Outbox.open(new OutboxOptions(directory, 16 << 20, 0), () -> now, files);
        add(1, 6_600); // fourteen megabytes, less than seven eighths
        outbox.settle(SettledAs.ACCEPTED, waiting());
        byte[] large = new byte[4 << 20];

        await().ignoreExceptionsInstanceOf(OutboxFull.class)
                .until(() -> outbox.add(List.of(large)).join() == null);
        assertThat(outbox.pendingEntries()).isOne();
    }

    @Test
    void clockWasAhead_withoutAHorizon_compactsAnyway() throws Exception {
        now = now.plus(Duration.ofDays(30));
        add(1, 10);
        outbox.settle(SettledAs.ACCEPTED, waiting());
        outbox.compact(HORIZON, Mode.RUN);
        now = now.minus(Duration.ofDays(30));

        assertThat(outbox.compact(Duration.ZERO, Mode.RUN).removedSegments()).isPositive();
    }

    @Test
    void move_notArrivedAfterThePlan_isNotUnansweredAfterARestart() throws Exception {
        add(1, 1);
        outbox.beingSent(waiting(), new LastSending(Instant.ofEpochMilli(1234), Instant.ofEpochMilli(1234)), () -> {});
        OutboxEntry planned = waiting().get(0);
        outbox.notArrived(List.of(planned));

        outbox.move(Map.of(planned, body(1))).join();

        outbox.close();
        outbox = open();
        assertThat(waiting()).extracting(OutboxEntry::unansweredSinceMillis).containsExactly(-1L);
    }

    @Test
    void bodies_entryMovedAndItsSegmentRemoved_areFound() throws Exception {
        add(1, 100);
        outbox.settle(SettledAs.ACCEPTED, waiting().subList(0, 99));
        assertThat(names()).containsExactly("certificate 100"); // the reader now has the old segment open

        outbox.compact(Duration.ZERO, Mode.RUN);
        outbox.close();
        outbox = open();
        outbox.compact(Duration.ZERO, Mode.RUN);

        assertThat(names()).containsExactly("certificate 100");
    }
}
