// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import static dev.flk.wal.SimulatedLog.DIRECTORY;
import static dev.flk.wal.SimulatedLog.EACH;
import static dev.flk.wal.SimulatedLog.PREFIX;
import static dev.flk.wal.SimulatedLog.bodies;
import static dev.flk.wal.SimulatedLog.entry;
import static dev.flk.wal.SimulatedLog.inspector;
import static dev.flk.wal.SimulatedLog.newest;
import static dev.flk.wal.SimulatedLog.readAll;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.wal.LogInspector.LogListing.Kind;
import dev.flk.wal.LogInspector.Verification;
import dev.flk.wal.Retention.Done;
import dev.flk.wal.SimulatedLog.Clock;
import dev.flk.wal.SimulatedLog.Recorded;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.DamagedLogException;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.testing.SimulatedDisk;
import dev.flk.wal.testing.SimulatedDisk.Fault;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests of a log whose segments are rotated by logrotate. */
final class RotatedSegmentTest {
    private static final String FIRST = "inbox-20261120-0000000000000001.wal";

    /**
     * The number of file operations to cover: those of three appends, the watch step after each, and the opening of a
     * segment after the rotation.
     */
    private static final int OPERATIONS = 45;

    private final SimulatedDisk disk = new SimulatedDisk(new Random(1));

    private static Recorded append(SimulatedLog log, List<Recorded> appends, int seed, int bytes) {
        Recorded append = new Recorded(entry(seed, bytes));
        appends.add(append);
        assertThat(log.log.append(append)).isTrue();
        log.log.step();
        return append;
    }

    /**
     * Renames the segment before each operation, also between force and answer, and crashes at the later steps: by a
     * kill or a loss of power in turn, in the thorough build by both.
     */
    @ParameterizedTest
    @CsvSource({"false,false", "false,true", "true,false", "true,true"})
    void rotatedBeforeEachOperation_crashAtEachStep_acknowledgedIsThere(boolean compresses, boolean creates) {
        for (int rotatedAt = 0; rotatedAt < OPERATIONS; rotatedAt++) {
            histories(rotatedAt, -1, rotatedAt % 2 == 0, compresses, creates);
            for (int killedAfter = rotatedAt % EACH; killedAfter < OPERATIONS; killedAfter += EACH) {
                histories(rotatedAt, killedAfter, (rotatedAt + killedAfter) % 2 == 0, compresses, creates);
            }
        }
    }

    private static void histories(
            int rotatedAt, int killedAfter, boolean losesPower, boolean compresses, boolean creates) {
        history(rotatedAt, killedAfter, losesPower, compresses, creates);
        if (EACH == 1) {
            history(rotatedAt, killedAfter, !losesPower, compresses, creates);
        }
    }

    private static void history(
            int rotatedAt, int killedAfter, boolean losesPower, boolean compresses, boolean creates) {
        try {
            run(rotatedAt, killedAfter, losesPower, compresses, creates);
        } catch (IOException | RuntimeException | AssertionError e) {
            throw new AssertionError(
                    "rotated before operation " + rotatedAt + ", killed " + killedAfter + " later, "
                            + (losesPower ? "with" : "without") + " a loss of power",
                    e);
        }
    }

    private static void run(int rotatedAt, int killedAfter, boolean losesPower, boolean compresses, boolean creates)
            throws IOException {
        SimulatedDisk disk = new SimulatedDisk(new Random(rotatedAt * 1_000L + killedAfter));
        List<Recorded> appends = new ArrayList<>();
        try {
            SimulatedLog log = SimulatedLog.open(disk);
            append(log, appends, 1, 900);
            append(log, appends, 2, 900);
            disk.meddleBefore(rotatedAt, () -> {
                if (disk.names().stream().anyMatch(name -> name.endsWith(".wal") && disk.content(name).length > 0)) {
                    disk.rotate(newest(disk), compresses, creates);
                }
            });
            if (killedAfter >= 0) {
                disk.failOperation(rotatedAt + killedAfter, Fault.KILL);
            }
            for (int seed = 3; seed < 6; seed++) {
                append(log, appends, seed, 900);
                if (disk.isDead()) {
                    break;
                }
                log.log.watchStep();
                log.log.step();
            }
            if (killedAfter < 0) {
                assertThat(appends).as("the log goes on").allMatch(Recorded::acknowledged);
            }
        } catch (SimulatedDisk.Killed e) {
            // the next start continues
        }
        if (losesPower) {
            disk.losePower();
        } else {
            disk.kill();
        }
        disk.meddleBefore(-2, () -> {});
        SimulatedLog again = SimulatedLog.open(disk);
        appends.add(again.append(entry("after")));
        Audit.acknowledgedIsThere(readAll(disk), appends);
        assertThat(SimulatedLog.verify(disk).isComplete()).isTrue();
    }

    private List<String> rotatedThreeTimes() throws IOException {
        SimulatedLog log = SimulatedLog.open(disk);
        List<Recorded> appends = new ArrayList<>();
        for (int seed = 0; seed < 12; seed++) {
            append(log, appends, seed, 5_000);
            if (seed % 4 == 3) {
                disk.rotate(newest(disk), seed == 7, true);
            }
        }
        log.log.close();
        return disk.names().stream()
                .filter(name -> name.matches(".*\\.wal\\.1(\\.gz)?"))
                .toList();
    }

    private Verification verify() throws IOException {
        return SimulatedLog.verify(disk);
    }

    @Test
    void rotatedFiles_areSegments_andEmptyOnesAreNone() throws IOException {
        assertThat(rotatedThreeTimes()).hasSize(3);

        assertThat(verify().records()).isEqualTo(12);
        assertThat(verify().isComplete()).isTrue();
        assertThat(inspector(disk).list().others())
                .allMatch(other -> other.kind() == Kind.NO_SEGMENT && disk.content(other.name()).length == 0);
    }

    @Test
    void rotatedFileTakenAway_whatIsMissingIsNamed() throws IOException {
        String second = rotatedThreeTimes().get(1);
        disk.remove(second);

        Verification found = verify();

        assertThat(found.missing()).isEqualTo(3); // the removed segment had 5 to 8; the next one repeats 8
        assertThat(found.damages().get(0).firstMissing()).isEqualTo(5);
        assertThat(found.damages().get(0).segment()).isEqualTo("inbox-20261120-0000000000000005.wal");
    }

    @Test
    void twoFilesOfOneSegment_theFullerOneCounts() throws IOException {
        String rotated = rotatedThreeTimes().get(1);
        byte[] complete = disk.content(rotated);
        disk.put(rotated.replace(".1.gz", ".2.gz"), Arrays.copyOf(complete, complete.length - 1_000));
        disk.put(rotated.replace(".1.gz", ".0.gz"), Arrays.copyOf(complete, complete.length - 2_000));

        assertThat(verify().records()).isEqualTo(12);
        assertThat(verify().isComplete()).isTrue();
    }

    /**
     * Checks a log whose ordinals have a gap: a start on the same day replaced the empty segment of the previous run.
     */
    @Test
    void rotatedAfterARestart_aBrokenRecordIsTheOnlyOneMissing() throws IOException {
        SimulatedLog log = SimulatedLog.open(disk);
        List<Recorded> appends = new ArrayList<>();
        for (int seed = 0; seed < 5; seed++) {
            append(log, appends, seed, 5_000);
        }
        log.log.close();
        disk.kill();
        SimulatedLog.open(disk).append(entry("six"));
        byte[] content = disk.content(FIRST);
        content[SimulatedLog.HEADER_BYTES + 2 * 5_060] ^= 1;
        disk.remove(FIRST);
        disk.put(FIRST + ".1", content);

        Verification found = verify();

        assertThat(found.records()).isEqualTo(5);
        assertThat(found.missing()).isEqualTo(1);
        assertThat(found.damages().get(0).segment()).isEqualTo(FIRST + ".1");
    }

    @ParameterizedTest
    @ValueSource(strings = {".1", "-20261201", "-20261201.bak"})
    void rotatedSegmentWithoutHeader_thatNoOtherSegmentNames_isDamaged_notMissing(String suffix) throws IOException {
        SimulatedLog log = SimulatedLog.open(disk);
        append(log, new ArrayList<>(), 1, 900);
        append(log, new ArrayList<>(), 2, 900);
        disk.kill();
        byte[] content = disk.content(FIRST);
        Arrays.fill(content, 0, SimulatedLog.HEADER_BYTES, (byte) 0);
        disk.remove(FIRST);
        disk.put(FIRST + suffix, content);
        disk.put(FIRST + ".sha256", "a checksum that an operator keeps beside it".getBytes(StandardCharsets.UTF_8));

        assertThatThrownBy(() -> SimulatedLog.open(disk)).isInstanceOfSatisfying(DamagedLogException.class, damaged -> {
            assertThat(damaged.damage().segment()).isEqualTo(FIRST + suffix);
            assertThat(damaged.damage().range()).isEqualTo("records 1 to 2");
        });
        assertThat(new LogRepair(disk, DIRECTORY, PREFIX, "a test").run().lost())
                .extracting(Damage::segment)
                .containsExactly(FIRST + suffix);
        assertThat(SimulatedLog.open(disk).append(entry("next")).firstSequence).isEqualTo(3);
    }

    @Test
    void copyWithASpaceInItsName_doesNotMakeTheLogUnreadable() throws IOException {
        SimulatedLog.open(disk).append(entry("one"));
        disk.kill();
        disk.put(FIRST.replace(".wal", " (copy).wal"), disk.content(FIRST));

        SimulatedLog.open(disk).append(entry("two"));

        assertThat(bodies(readAll(disk))).containsExactly("one", "two");
    }

    @Test
    void lossInAFileWithASpaceInItsName_isDeclared() throws IOException {
        SimulatedLog log = SimulatedLog.open(disk);
        append(log, new ArrayList<>(), 1, 900);
        append(log, new ArrayList<>(), 2, 900);
        log.log.close();
        disk.kill();
        byte[] content = disk.content(FIRST);
        content[SimulatedLog.HEADER_BYTES + 500] ^= 1;
        disk.remove(FIRST);
        disk.put(FIRST + " (restored)", content);

        assertThat(new LogRepair(disk, DIRECTORY, PREFIX, "a test").run().missing())
                .isEqualTo(1);

        assertThat(new LogRepair(disk, DIRECTORY, PREFIX, "a test").plan().isNeeded())
                .isFalse();
    }

    @Test
    void namesAndHeaders_haveAsciiDigits_inEveryLocale() throws IOException {
        Locale before = Locale.getDefault();
        Locale.setDefault(Locale.forLanguageTag("ar-EG-u-nu-arab"));
        try {
            SimulatedLog.open(disk).append(entry("one"));
        } finally {
            Locale.setDefault(before);
        }
        assertThat(new String(disk.content(FIRST), StandardCharsets.UTF_8)).contains("\nblocks 000002\n");
    }

    /** Simulates logrotate running as root, which leaves an empty file that the log's owner can't read. */
    @Test
    void emptyFileOfAnotherUser_isPassedOver() throws IOException {
        rotatedThreeTimes();
        disk.put("inbox-20261120-0000000000000099.wal", new byte[0]);
        disk.forbid("inbox-20261120-0000000000000099.wal");

        assertThat(verify().records()).isEqualTo(12);
        SimulatedLog.open(disk).append(entry("goes on"));
    }

    @Test
    void retention_renamedSegments_areRemovedWithTheirCopies() throws IOException {
        List<String> rotated = rotatedThreeTimes();
        byte[] first = disk.content(rotated.get(0));
        disk.put(rotated.get(0).replace(".1", ".7"), Arrays.copyOf(first, first.length - 100));
        Retention retention = new Retention(
                disk,
                DIRECTORY,
                PREFIX,
                Duration.ofDays(1),
                context -> Duration.ofDays(14),
                () -> Instant.ofEpochMilli(new Clock().millis).plus(Duration.ofDays(15)));

        for (int i = 0; i < 3; i++) {
            assertThat(retention.step(12)).isEqualTo(Done.REMOVED);
        }
        assertThat(retention.step(12)).isEqualTo(Done.NOTHING);
        assertThat(disk.names()).noneMatch(name -> name.contains(".wal."));
    }

    @Test
    void rotatedSegment_isKeptForAsLongAsItsContextSays() throws IOException {
        rotatedThreeTimes();
        Retention retention = new Retention(
                disk,
                DIRECTORY,
                PREFIX,
                Duration.ofDays(1),
                context -> context.equals("policy-1") ? Duration.ofDays(30) : Duration.ofDays(14),
                () -> Instant.ofEpochMilli(new Clock().millis).plus(Duration.ofDays(29)));

        assertThat(retention.step(12)).isEqualTo(Done.NOTHING);
    }

    @Test
    void rotatedSegment_renamedAgainAfterTheNextStart_losesNothing() throws IOException {
        SimulatedLog log = SimulatedLog.open(disk);
        append(log, new ArrayList<>(), 1, 900);
        disk.kill();
        disk.rotate(FIRST, true, false);

        SimulatedLog again = SimulatedLog.open(disk);
        again.append(entry("two"));
        disk.moveAway(FIRST + ".1.gz", FIRST + ".2.gz");

        assertThat(readAll(disk)).extracting(LogRecord::sequence).containsExactly(1L, 2L);
        assertThat(verify().isComplete()).isTrue();
    }

    @Test
    void namesOfTwoSegmentsExchanged_losesNothing_alsoWhenTheirNamesAreDueAgain() throws IOException {
        VariedLog varied = new VariedLog();
        SimulatedLog.open(varied.disk).log.close();
        List<String> names = varied.disk.names().stream()
                .filter(name -> name.endsWith(".wal"))
                .toList();
        for (String one : names) {
            for (String other : names) {
                SimulatedDisk exchanged = varied.disk.copy();
                byte[] content = exchanged.content(one);
                exchanged.put(one, exchanged.content(other));
                exchanged.put(other, content);
                int records = varied.entries.size();
                for (int start = 0; start < 3; start++) {
                    SimulatedLog log = SimulatedLog.open(exchanged);
                    log.append(entry("more"));
                    log.log.close();
                    records++;
                    assertThat(readAll(exchanged))
                            .as("%s and %s, start %d", one, other, start)
                            .hasSize(records);
                }
            }
        }
    }
}
