// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import static dev.flk.wal.SimulatedLog.DIRECTORY;
import static dev.flk.wal.SimulatedLog.PREFIX;
import static dev.flk.wal.SimulatedLog.SIZES;
import static dev.flk.wal.SimulatedLog.bodies;
import static dev.flk.wal.SimulatedLog.entry;
import static dev.flk.wal.SimulatedLog.options;
import static dev.flk.wal.SimulatedLog.readAll;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.wal.LogOptions.LogSizes;
import dev.flk.wal.SimulatedLog.Clock;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.testing.Mutant;
import dev.flk.wal.testing.SimulatedDisk;
import dev.flk.wal.testing.SimulatedDisk.Fault;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Tests of histories that broke earlier drafts of the log's rules. Each history runs with several outcomes of the power
 * loss. If a rule that a history needs is switched off, at least one of its runs must fail.
 */
final class HistoriesTest {
    private static final String HERE = "dev.flk.wal.";
    private static final int SEEDS = 8;

    /** The operation of an append that forces the group; operation 0 writes it. */
    private static final int FORCE = 1;

    /** Starts the log and returns the bodies of its records. Fails if the start stops, since no fault is left. */
    private static List<String> found(SimulatedDisk disk) throws IOException {
        try {
            SimulatedLog.open(disk);
            return bodies(readAll(disk));
        } catch (IOException e) {
            throw new AssertionError("the start stops", e);
        }
    }

    /**
     * Checks a start that reads from the page cache a record whose force failed: the start forces a copy of the record
     * before it acts on the record.
     */
    @ParameterizedTest
    @MethodSource("seeds")
    void history1_cacheAfterAFailedForce(long seed) throws IOException {
        SimulatedDisk disk = new SimulatedDisk(new Random(seed));
        SimulatedLog log = SimulatedLog.open(disk, options(), new Clock(), new LogListener() {
            @Override
            public void failed(IOException cause) {
                disk.failOperation(0, Fault.KILL); // before the header of another segment states which records count
            }
        });
        disk.failOperation(FORCE, Fault.EIO);
        assertThat(log.append(entry("A")).failure).isNotNull();
        disk.kill();
        List<String> actedOn = found(disk);
        assertThat(actedOn).containsExactly("A");
        disk.losePower();
        assertThat(found(disk)).isEqualTo(actedOn);
    }

    /**
     * Checks that a record survives if a later force in its block fails and the next segment repeats it. Power is lost
     * right after the next segment is opened, when a header that was not forced may be torn, or after another append.
     */
    @ParameterizedTest
    @MethodSource("seeds")
    void history2_tornCopies(long seed) throws IOException {
        for (List<String> more : List.of(List.<String>of(), List.of("B"))) {
            SimulatedDisk disk = new SimulatedDisk(new Random(seed));
            SimulatedLog log = SimulatedLog.open(disk);
            assertThat(log.append(entry("A")).acknowledged()).isTrue();
            disk.failOperation(FORCE, Fault.EIO);
            assertThat(log.append(entry("refused")).failure).isNotNull();
            for (String body : more) {
                assertThat(log.append(entry(body)).acknowledged()).isTrue();
            }
            disk.losePower();
            assertThat(found(disk))
                    .startsWith("A")
                    .endsWith(more.toArray(String[]::new))
                    .hasSize(1 + more.size());
        }
    }

    /** Checks that repeated records keep the policy under which they were logged. */
    @ParameterizedTest
    @MethodSource("seeds")
    void history3_copiesUnderOnePolicy(long seed) throws IOException {
        SimulatedDisk disk = new SimulatedDisk(new Random(seed));
        SimulatedLog.open(disk).append(entry("A"));
        for (int policy = 2; policy < 5; policy++) {
            disk.losePower();
            LogOptions options =
                    LogOptions.of(DIRECTORY, PREFIX, "policy-" + policy).with(SIZES);
            SimulatedLog.open(disk, options, new Clock());
            assertThat(readAll(disk)).extracting(LogRecord::context).containsExactly("policy-1");
        }
    }

    /**
     * Fails each operation of the first append to a segment in turn, including the force of the header. Another segment
     * is opened on the next day, under another name, and the power loss leaves an arbitrary part of the first.
     */
    @ParameterizedTest
    @MethodSource("seeds")
    void history4_twoFailedHeaders(long seed) throws IOException {
        boolean refused = true;
        for (int step = 0; refused; step++) {
            SimulatedDisk disk = new SimulatedDisk(new Random(seed));
            // every group gets its own segment
            LogSizes sizes = SIZES.withSegments(1, Duration.ofDays(2));
            Clock clock = new Clock();
            SimulatedLog log = SimulatedLog.open(disk, options(sizes), clock, new LogListener() {
                @Override
                public void failed(IOException cause) {
                    clock.advance(Duration.ofDays(1));
                }
            });
            assertThat(log.append(entry("A")).acknowledged()).isTrue();
            disk.failOperation(step, Fault.EIO);
            boolean taken = log.append(entry("a day earlier")).acknowledged();
            refused = disk.faultHappened();
            disk.failNothing();
            // if only the check that the file still exists fails, the append is not refused
            assertThat(taken || refused).isTrue();
            assertThat(log.append(entry("B")).acknowledged()).isTrue();
            disk.losePower();
            assertThat(found(disk)).startsWith("A").endsWith("B").hasSize(taken ? 3 : 2);
        }
    }

    static LongStream seeds() {
        return LongStream.rangeClosed(1, SEEDS);
    }

    static Stream<Arguments> rules() {
        Mutant headerUnforced = Mutant.notCalling(
                "a segment gets its name only when its header is forced", HERE + "SegmentOpener", "open", "force");
        return Stream.of(
                Arguments.of(
                        "history1_cacheAfterAFailedForce",
                        Mutant.returning(
                                "a start repeats what no force proves", HERE + "Recovery$UnprovenTail", "isEmpty", 1)),
                Arguments.of("history1_cacheAfterAFailedForce", headerUnforced),
                Arguments.of(
                        "history2_tornCopies",
                        Mutant.notCalling(
                                "a failed group's neighbours in its block are repeated",
                                HERE + "GroupCommit",
                                "append",
                                "add")),
                Arguments.of("history2_tornCopies", headerUnforced),
                Arguments.of(
                        "history3_copiesUnderOnePolicy",
                        Mutant.takingInstead(
                                "copies keep their policy",
                                HERE + "segment.SegmentHeader",
                                "encode",
                                "context",
                                "context")),
                Arguments.of(
                        "history4_twoFailedHeaders",
                        Mutant.failingInstead(
                                        "a file without a whole header is no segment",
                                        HERE + "segment.SegmentListing",
                                        "deriveHeaders",
                                        "lostWithHeader")
                                .and(headerUnforced)));
    }

    @ParameterizedTest
    @MethodSource("rules")
    void ruleSwitchedOff_breaks(String history, Mutant mutant) throws ReflectiveOperationException {
        boolean broken = false;
        for (long seed = 1; seed <= SEEDS && !broken; seed++) {
            broken = mutant.breaks(HistoriesTest.class, history, seed);
        }
        assertThat(broken).as("%s without: %s", history, mutant).isTrue();
    }
}
