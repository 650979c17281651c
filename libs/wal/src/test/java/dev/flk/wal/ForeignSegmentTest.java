// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import static dev.flk.wal.SimulatedLog.DIRECTORY;
import static dev.flk.wal.SimulatedLog.PREFIX;
import static dev.flk.wal.SimulatedLog.SIZES;
import static dev.flk.wal.SimulatedLog.bodies;
import static dev.flk.wal.SimulatedLog.entry;
import static dev.flk.wal.SimulatedLog.options;
import static dev.flk.wal.SimulatedLog.readAll;
import static dev.flk.wal.SimulatedLog.readSkipping;
import static dev.flk.wal.SimulatedLog.verify;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import dev.flk.wal.LogInspector.LogListing.Kind;
import dev.flk.wal.LogInspector.LogListing.OtherFile;
import dev.flk.wal.SimulatedLog.Clock;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.testing.SimulatedDisk;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Tests of a log directory that contains a segment of another log, under any name and at any position in the order. */
final class ForeignSegmentTest {
    private final SimulatedDisk ours = logOf("ours", 1);
    private final SimulatedDisk theirs = logOf("theirs", 2);
    private final List<String> oursBefore = bodies(readAll(ours));

    ForeignSegmentTest() throws IOException {}

    /** Returns a disk with a log of ten segments with one record each, followed by an empty segment. */
    private static SimulatedDisk logOf(String body, int seed) throws IOException {
        SimulatedDisk disk = new SimulatedDisk(new Random(seed));
        Clock clock = new Clock();
        clock.advance(Duration.ofSeconds(seed));
        SimulatedLog log = SimulatedLog.open(disk, options(SIZES.withSegments(1, Duration.ofDays(1))), clock);
        for (int i = 1; i <= 10; i++) {
            log.append(entry(body + " " + i));
        }
        log.log.close();
        disk.kill();
        return disk;
    }

    private static List<String> segments(SimulatedDisk disk) {
        return disk.names().stream().filter(name -> name.endsWith(".wal")).toList();
    }

    @Test
    void copiedBesideOurs_atEveryPosition_countsNowhere() throws IOException {
        for (String theirName : segments(theirs)) {
            for (String name : List.of(theirName + ".b", theirName.replace("2026", "2027"))) {
                SimulatedDisk mixed = ours.copy();
                mixed.put(name, theirs.content(theirName));
                assertCountsNowhere(mixed, name);
            }
        }
    }

    private void assertCountsNowhere(SimulatedDisk mixed, String foreign) throws IOException {
        assertThat(bodies(readAll(mixed))).as(foreign).isEqualTo(oursBefore);
        assertThat(verify(mixed).isComplete()).isTrue();
        assertThat(verify(mixed).foreign()).containsExactly(foreign);
        assertThat(new LogInspector(mixed, DIRECTORY, PREFIX).list().others())
                .contains(new OtherFile(foreign, Kind.OTHER_LOG));
        SimulatedDisk repaired = mixed.copy();
        assertThat(new LogRepair(repaired, DIRECTORY, PREFIX, "a test").run().isNeeded())
                .isFalse();
        SimulatedLog started = SimulatedLog.open(mixed);
        assertThat(started.log.startReport().foreign()).containsExactly(foreign);
        assertThat(started.append(entry("next")).firstSequence).isEqualTo(oursBefore.size() + 1L);
        List<String> after = new ArrayList<>(oursBefore);
        after.add("next");
        assertThat(bodies(readAll(mixed))).isEqualTo(after);
    }

    @Test
    void inThePlaceOfOurs_oursIsMissing() throws IOException {
        List<String> names = segments(ours);
        for (int i = 1; i + 1 < names.size(); i++) {
            SimulatedDisk mixed = ours.copy();
            mixed.put(names.get(i), theirs.content(segments(theirs).get(i)));
            long lost = i + 1L;

            assertThat(verify(mixed).damages())
                    .extracting(Damage::firstMissing, Damage::lastMissing)
                    .containsExactly(tuple(lost, lost));
            assertThat(new LogRepair(mixed, DIRECTORY, PREFIX, "a test").run().lost())
                    .extracting(Damage::firstMissing, Damage::lastMissing)
                    .containsExactly(tuple(lost, lost));
            SimulatedLog.open(mixed);
            assertThat(bodies(readAll(mixed))).hasSize(9).noneMatch(body -> body.startsWith("theirs"));
        }
    }

    /**
     * Checks a log that was restored from a copy: the segment of the same name from before the restore replaces one of
     * its segments.
     */
    @Test
    void segmentFromBeforeTheRestore_inThePlaceOfOurs_oursIsMissing() throws IOException {
        SimulatedDisk before = ours.copy();
        SimulatedDisk now = ours.copy();
        append(before, "before", 3);
        append(now, "now", 4);
        String name = segments(now).get(segments(ours).size() - 1);
        assertThat(segments(before)).contains(name);
        now.put(name, before.content(name));

        assertThat(verify(now).damages())
                .extracting(Damage::firstMissing, Damage::lastMissing)
                .containsExactly(tuple(11L, 11L));
        assertThat(bodies(readSkipping(now)))
                .hasSize(11)
                .contains("now 2")
                .noneMatch(body -> body.startsWith("before"));
    }

    private static void append(SimulatedDisk disk, String body, int seed) throws IOException {
        Clock clock = new Clock();
        clock.advance(Duration.ofSeconds(seed));
        SimulatedLog log = SimulatedLog.open(disk, options(SIZES.withSegments(1, Duration.ofDays(1))), clock);
        log.append(entry(body + " 1"));
        log.append(entry(body + " 2"));
        log.log.close();
        disk.kill();
    }

    /**
     * Checks that a directory with another log's id and almost as many of its segments as of ours is refused: neither
     * log is taken for the right one. A file without a header, which may belong to either, does not count.
     */
    @Test
    void idAndHalfOfTheReadableSegmentsOfAnother_isRefused() throws IOException {
        SimulatedDisk mixed = ours.copy();
        mixed.put("inbox.id", theirs.content("inbox.id"));
        List<String> names = segments(ours);
        int half = names.size() / 2;
        for (int i = 0; i < half; i++) {
            mixed.put(names.get(i), theirs.content(segments(theirs).get(i)));
        }
        for (int i = 2 * half; i < names.size(); i++) {
            mixed.remove(names.get(i));
        }
        mixed.put("inbox-20270101-0000000000000020.wal", new byte[5_000]);

        assertThatThrownBy(() -> SimulatedLog.open(mixed))
                .hasMessageContaining("at least half of the readable segments");
    }

    /** Checks a directory in which retention left one segment of ours, so that a foreign one is half of all. */
    @Test
    void retentionLeavesFewOfOurs_theForeignOneIsSetAside_andTheLogOpens() throws IOException {
        SimulatedDisk mixed = ours.copy();
        String foreign = segments(theirs).get(3) + ".b";
        mixed.put(foreign, theirs.content(segments(theirs).get(3)));
        Retention retention = new Retention(
                mixed, DIRECTORY, PREFIX, Duration.ofDays(1), context -> Duration.ZERO, InstantSource.system());
        while (retention.step(oursBefore.size()) != Retention.Done.NOTHING) {
            // remove all segments but the newest
        }
        assertThat(segments(mixed)).hasSize(1);

        assertThat(SimulatedLog.open(mixed).append(entry("next")).firstSequence).isEqualTo(oursBefore.size() + 1L);
        assertThat(mixed.content(foreign + ".broken"))
                .isEqualTo(theirs.content(segments(theirs).get(3)));
    }

    @Test
    void idLost_isRestoredForOneLog_andStopsTheStartForTwo() throws IOException {
        SimulatedDisk alone = ours.copy();
        alone.remove("inbox.id");
        assertThat(bodies(readAll(alone))).isEqualTo(oursBefore);
        SimulatedLog.open(alone);
        assertThat(alone.content("inbox.id")).isEqualTo(ours.content("inbox.id"));

        SimulatedDisk mixed = ours.copy();
        String name = segments(theirs).get(3) + ".b";
        mixed.put(name, theirs.content(segments(theirs).get(3)));
        mixed.remove("inbox.id");
        assertThatThrownBy(() -> SimulatedLog.open(mixed))
                .hasMessageContaining("inbox.id, which names the right one, is missing or damaged")
                .hasMessageContaining(name);
    }

    @Test
    void idOfAnotherLog_stopsTheStart_untilItIsDeleted() throws IOException {
        SimulatedDisk disk = ours.copy();
        disk.put("inbox.id", theirs.content("inbox.id"));
        assertThatThrownBy(() -> SimulatedLog.open(disk))
                .hasMessageContaining("inbox.id contains the id of log")
                .hasMessageContaining(segments(ours).get(0));
        assertThatThrownBy(() -> verify(disk))
                .hasMessageContaining("at least half of the readable segments belong to other logs");

        String first = segments(theirs).get(0);
        disk.put(first + ".1", theirs.content(first));
        assertThatThrownBy(() -> SimulatedLog.open(disk))
                .hasMessageContaining("at least half of the readable segments belong to other logs");

        disk.remove(first + ".1");
        disk.remove("inbox.id");
        SimulatedLog.open(disk);
        assertThat(bodies(readAll(disk))).isEqualTo(oursBefore);
    }

    /**
     * Checks that a lost header is derived from the right log: the first segments of all logs of one day share a name,
     * which the second segments record as their predecessor.
     */
    @Test
    void headerLost_besideTheSecondSegmentOfAnotherLog_losesNothing() throws IOException {
        List<String> names = segments(ours);
        for (String suffix : List.of("", ".1")) {
            SimulatedDisk disk = ours.copy();
            byte[] changed = ours.content(names.get(0));
            Arrays.fill(changed, 0, SimulatedLog.HEADER_BYTES, (byte) 0);
            disk.remove(names.get(0));
            disk.put(names.get(0) + suffix, changed);
            disk.put(
                    segments(theirs).get(1) + ".b",
                    theirs.content(segments(theirs).get(1)));
            assertThat(bodies(readAll(disk))).as(suffix).isEqualTo(oursBefore);
            assertThat(verify(disk).brokenHeaders()).containsExactly(names.get(0) + suffix);
        }
    }

    @Test
    void lossesOfAnotherLog_declareNothing() throws IOException {
        SimulatedDisk damaged = theirs.copy();
        damaged.remove(segments(theirs).get(4));
        new LogRepair(damaged, DIRECTORY, PREFIX, "a test").run();
        SimulatedDisk mixed = ours.copy();
        mixed.put("inbox-lost-1", damaged.content("inbox-lost-1"));

        assertThat(new String(mixed.content("inbox-lost-1"), StandardCharsets.UTF_8))
                .contains("\n5 5 absent");
        assertThat(bodies(readAll(mixed))).isEqualTo(oursBefore);
    }
}
