// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import static dev.flk.wal.SimulatedLog.DIRECTORY;
import static dev.flk.wal.SimulatedLog.EACH;
import static dev.flk.wal.SimulatedLog.HEADER_BYTES;
import static dev.flk.wal.SimulatedLog.bodies;
import static dev.flk.wal.SimulatedLog.entry;
import static dev.flk.wal.SimulatedLog.options;
import static dev.flk.wal.SimulatedLog.readAll;
import static dev.flk.wal.SimulatedLog.readSkipping;
import static dev.flk.wal.SimulatedLog.same;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import dev.flk.wal.LogInspector.LogListing.Kind;
import dev.flk.wal.LogInspector.LogListing.OtherFile;
import dev.flk.wal.LogRepair.Repair;
import dev.flk.wal.LogRepair.Repair.SetAside;
import dev.flk.wal.SimulatedLog.Clock;
import dev.flk.wal.StartReport.CutTail;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.Damage.OnDamage;
import dev.flk.wal.segment.DamagedLogException;
import dev.flk.wal.segment.LogReader;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.segment.RecordFormat;
import dev.flk.wal.segment.SegmentHeader;
import dev.flk.wal.testing.SimulatedDisk;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Tests of a log of three segments in which bytes, records, blocks, headers or files are cut off, changed or moved. */
final class DamageOfEveryByteTest {
    private final VariedLog varied;

    DamageOfEveryByteTest() throws IOException {
        varied = new VariedLog();
    }

    @Test
    void untouched_readsBackAll() throws IOException {
        assertIsPrefix(readAll(varied.disk), varied.entries.size());
        assertThat(varied.firstOwnOfNewest()).isEqualTo(11);
    }

    @Test
    void cutAtEveryByte_ofNewestSegment_filledWithZerosOrNot_keepsWholeRecordsAndSetsTheRestAside() throws IOException {
        byte[] complete = varied.disk.content(varied.newest);
        int header = HEADER_BYTES;
        for (int length = header; length <= complete.length; length++) {
            for (int zeros : new int[] {0, complete.length + 5_000 - length}) {
                SimulatedDisk disk = varied.disk.copy();
                disk.put(varied.newest, Arrays.copyOf(Arrays.copyOf(complete, length), length + zeros));
                int kept = readPrefix(disk);
                byte[] torn = reopenAndAppend(disk, kept);
                assertThat(torn).isEqualTo(tornPart(complete, length, kept));
            }
        }
    }

    /**
     * Checks that a segment with an incomplete header is damage: it got its name after its header was forced, so its
     * records may have been acknowledged.
     */
    @Test
    void newestSegment_ofWhichNotEvenTheHeaderIsLeft_isDamage() throws IOException {
        byte[] complete = varied.disk.content(varied.newest);
        for (int length = 0; length < HEADER_BYTES; length += 63) {
            SimulatedDisk cut = varied.disk.copy();
            cut.put(
                    varied.newest,
                    // an empty file is no damage: logrotate creates empty files
                    Arrays.copyOf(complete, Math.max(1, length)));
            assertNewestIsLost(cut);
            SimulatedDisk zeroed = varied.disk.copy();
            zeroed.put(varied.newest, Arrays.copyOf(Arrays.copyOf(complete, length), complete.length));
            assertNewestIsLost(zeroed);
        }
    }

    private void assertNewestIsLost(SimulatedDisk disk) {
        assertThatThrownBy(() -> SimulatedLog.open(disk))
                .isInstanceOfSatisfying(
                        DamagedLogException.class,
                        damaged -> assertThat(damaged.damage().segment()).isEqualTo(varied.newest));
        assertThatThrownBy(() -> readAll(disk)).isInstanceOf(DamagedLogException.class);
    }

    @Test
    void flipEveryByte_ofNewestSegment_isTornTailInLastGroupAndDamageBefore() throws IOException {
        byte[] complete = varied.disk.content(varied.newest);
        long lastGroupStart = offsetOf(varied.lastGroup());
        for (int at = 0; at < complete.length; at += step(complete, at)) {
            SimulatedDisk disk = varied.disk.copy();
            byte[] changed = complete.clone();
            changed[at] ^= (byte) (1 << at % 8);
            disk.put(varied.newest, changed);
            if (at < HEADER_BYTES) {
                assertOnlyTheHeaderIsDamaged(disk, varied.newest);
            } else if (at >= lastGroupStart) {
                int kept = readPrefix(disk);
                assertThat(kept).as("byte %d", at).isBetween((int) varied.lastGroup() - 1, varied.entries.size() - 1);
                reopenAndAppend(disk, kept);
            } else {
                DamagedLogException damaged = assertDamaged(disk, at);
                assertThat(damaged.damage().segment()).isEqualTo(varied.newest);
                assertThatThrownBy(() -> SimulatedLog.open(disk)).isInstanceOf(DamagedLogException.class);
                assertThat(disk.names()).noneMatch(name -> name.contains(".broken"));
            }
        }
    }

    @Test
    void flipEveryByte_ofOldestSegment_isDamageThatNamesExactlyWhatIsGone() throws IOException {
        byte[] complete = varied.disk.content(varied.oldest);
        for (int at = 0; at < complete.length; at += step(complete, at)) {
            SimulatedDisk disk = varied.disk.copy();
            byte[] changed = complete.clone();
            changed[at] ^= (byte) (1 << at % 8);
            disk.put(varied.oldest, changed);
            if (at < HEADER_BYTES) {
                assertOnlyTheHeaderIsDamaged(disk, varied.oldest);
                continue;
            }
            DamagedLogException damaged = assertDamaged(disk, at);
            long hit = sequenceAt(varied.oldest, at);
            assertThat(damaged.damage().firstMissing()).as("byte %d", at).isEqualTo(hit);
            assertThat(damaged.damage().lastMissing()).isEqualTo(hit);
            assertThat(damaged.damage().segment()).isEqualTo(varied.oldest);
        }
    }

    /** Checks the empty newest segment that a clean shutdown leaves. */
    @Test
    @Tag("thorough")
    void flipEveryByte_ofAnEmptyNewestSegment_losesNothing() throws IOException {
        SimulatedLog log = SimulatedLog.open(varied.disk.copy());
        log.log.close();
        String empty = log.disk.names().stream()
                .filter(name -> name.endsWith(".wal"))
                .reduce((older, newer) -> newer)
                .orElseThrow();
        byte[] complete = log.disk.content(empty);
        assertThat(complete).as("a header and nothing else").hasSize(HEADER_BYTES);
        for (int at = 0; at < complete.length; at += step(complete, at)) {
            SimulatedDisk disk = log.disk.copy();
            byte[] changed = complete.clone();
            changed[at] ^= (byte) (1 << at % 8);
            disk.put(empty, changed);
            assertOnlyTheHeaderIsDamaged(disk, empty);
        }
    }

    /**
     * Returns the distance to the next byte to change: 61 within the spaces between the two copies of a header's lines,
     * {@link SimulatedLog#EACH} elsewhere.
     */
    private static int step(byte[] segment, int at) {
        int far = at + 61;
        return far < HEADER_BYTES && segment[at] == ' ' && segment[at + 1] == ' ' && segment[far] == ' ' ? 61 : EACH;
    }

    /** Checks that reading, verification, a start and a repair find every record and report only the header. */
    private void assertOnlyTheHeaderIsDamaged(SimulatedDisk damaged, String segment) throws IOException {
        assertIsPrefix(readAll(damaged), varied.entries.size());
        assertThat(SimulatedLog.verify(damaged).isComplete()).isTrue();
        assertThat(SimulatedLog.verify(damaged).brokenHeaders()).containsExactly(segment);
        SimulatedDisk started = damaged.copy();
        assertThat(SimulatedLog.open(started).log.startReport().brokenHeaders()).containsExactly(segment);
        assertIsPrefix(readAll(started), varied.entries.size());
        SimulatedDisk repaired = damaged.copy();
        assertThat(new LogRepair(repaired, DIRECTORY, SimulatedLog.PREFIX, "a test")
                        .run()
                        .lost())
                .isEmpty();
        assertThat(SimulatedLog.verify(repaired).brokenHeaders()).isEmpty();
        assertIsPrefix(readAll(repaired), varied.entries.size());
    }

    @Test
    void oneBlockOfAHeaderZeroed_losesNothing() throws IOException {
        SimulatedLog closed = SimulatedLog.open(varied.disk.copy());
        closed.log.close();
        for (String segment : List.of(varied.oldest, varied.failed, varied.newest, SimulatedLog.newest(closed.disk))) {
            for (int block = 0; block < HEADER_BYTES; block += SegmentHeader.BLOCK_BYTES) {
                SimulatedDisk disk = closed.disk.copy();
                byte[] changed = disk.content(segment);
                Arrays.fill(changed, block, block + SegmentHeader.BLOCK_BYTES, (byte) 0);
                disk.put(segment, changed);
                assertOnlyTheHeaderIsDamaged(disk, segment);
            }
        }
    }

    /** Simulates a disk that wrote a block of one segment's header into another segment. */
    @Test
    void oneBlockOfAHeaderFromAnotherSegment_losesNothing() throws IOException {
        SimulatedLog closed = SimulatedLog.open(varied.disk.copy());
        closed.log.close();
        List<String> segments = List.of(varied.oldest, varied.failed, varied.newest, SimulatedLog.newest(closed.disk));
        for (String segment : segments) {
            for (String other : segments) {
                for (int block = 0;
                        block < HEADER_BYTES && !other.equals(segment);
                        block += SegmentHeader.BLOCK_BYTES) {
                    SimulatedDisk disk = closed.disk.copy();
                    byte[] changed = disk.content(segment);
                    System.arraycopy(disk.content(other), block, changed, block, SegmentHeader.BLOCK_BYTES);
                    disk.put(segment, changed);
                    assertOnlyTheHeaderIsDamaged(disk, segment);
                }
            }
        }
    }

    @Test
    void segmentOverwrittenByTheHeaderOfAnother_isDamage() throws IOException {
        byte[] other = Arrays.copyOf(varied.disk.content(varied.newest), SegmentHeader.BLOCK_BYTES);
        varied.disk.delete(DIRECTORY.resolve(varied.oldest));
        varied.disk.put(varied.oldest + ".gz", other);
        assertThat(SimulatedLog.verify(varied.disk).missing()).isEqualTo(7);
    }

    @Test
    void twoBlocksExchanged_losesOnlyRecordsThatSpanBlocks() throws IOException {
        for (String segment : List.of(varied.oldest, varied.failed, varied.newest)) {
            int blocks = varied.disk.content(segment).length / SegmentHeader.BLOCK_BYTES;
            for (int one = 0; one < blocks; one++) {
                for (int other = one + 1; other < blocks; other++) {
                    byte[] changed = exchanged(varied.disk.content(segment), one, other);
                    assertKeepsIntact(segment, changed, Set.of(one, other), true);
                }
            }
        }
    }

    /** Simulates a disk that wrote a block over another block of the same segment. */
    @Test
    void blockOverwrittenByAnotherOfTheSegment_losesOnlyRecordsInTheOverwrittenBlock() throws IOException {
        for (String segment : List.of(varied.oldest, varied.failed, varied.newest)) {
            int blocks = varied.disk.content(segment).length / SegmentHeader.BLOCK_BYTES;
            for (int from = 0; from < blocks; from++) {
                for (int to = 0; to < blocks; to++) {
                    byte[] changed = varied.disk.content(segment);
                    int bytes = SegmentHeader.BLOCK_BYTES;
                    System.arraycopy(changed, from * bytes, changed, to * bytes, bytes);
                    assertKeepsIntact(segment, changed, Set.of(to), false);
                }
            }
        }
    }

    /** @param areMoved whether the content of the blocks still exists elsewhere in the segment */
    private void assertKeepsIntact(String segment, byte[] changed, Set<Integer> blocks, boolean areMoved)
            throws IOException {
        String what = "blocks %s of %s".formatted(blocks, segment);
        SimulatedDisk disk = varied.disk.copy();
        disk.put(segment, changed);
        List<Long> kept = sequences(readSkipping(disk));
        long missing = SimulatedLog.inspector(disk).verify(1, 0).missing();
        assertThat(kept).as(what).containsAll(intact(segment, blocks, areMoved));
        assertThat(missing).as(what).isEqualTo(varied.entries.size() - kept.size());
        Repair repaired = new LogRepair(disk, DIRECTORY, SimulatedLog.PREFIX, "a test").run();
        assertThat(repaired.missing()).as(what).isEqualTo(missing);
        assertThat(SimulatedLog.verify(disk).isComplete()).as(what).isTrue();
        assertThat(sequences(readAll(disk))).as(what).isEqualTo(kept);
    }

    /**
     * Returns the sequences of the records whose bytes are all intact, except those of the last group, which may be a
     * torn tail.
     */
    private List<Long> intact(String segment, Set<Integer> blocks, boolean areMoved) throws IOException {
        return readAll(varied.disk).stream()
                .filter(record -> record.group() < varied.lastGroup())
                .filter(record -> {
                    long offset = record.position().offset();
                    boolean isCarried = offset < HEADER_BYTES;
                    long from = isCarried ? offset - ("context 12345678 \n" + record.context()).length() : offset;
                    int first = (int) (from / SegmentHeader.BLOCK_BYTES);
                    int last = (int) ((offset + RecordFormat.lengthOf(record) - 1) / SegmentHeader.BLOCK_BYTES);
                    return !record.position().segment().equals(segment)
                            || (areMoved && first == last)
                            || IntStream.rangeClosed(first, last).noneMatch(blocks::contains);
                })
                .map(LogRecord::sequence)
                .toList();
    }

    private static List<Long> sequences(List<LogRecord> records) {
        return records.stream().map(LogRecord::sequence).toList();
    }

    private static byte[] exchanged(byte[] content, int one, int other) {
        byte[] changed = content.clone();
        int bytes = SegmentHeader.BLOCK_BYTES;
        System.arraycopy(content, one * bytes, changed, other * bytes, bytes);
        System.arraycopy(content, other * bytes, changed, one * bytes, bytes);
        return changed;
    }

    @Test
    void bytesInsertedBeforeARecord_loseNothingThatALaterGroupFollows() throws IOException {
        for (String segment : List.of(varied.oldest, varied.newest)) {
            byte[] content = varied.disk.content(segment);
            int before = (int) offsetOf(segment.equals(varied.oldest) ? 2 : varied.firstOwnOfNewest());
            byte[] changed = new byte[content.length + 5];
            System.arraycopy(content, 0, changed, 0, before);
            System.arraycopy(content, before, changed, before + 5, content.length - before);
            SimulatedDisk disk = varied.disk.copy();
            disk.put(segment, changed);
            assertIsPrefix(readAll(disk), varied.entries.size());
            SimulatedLog.open(disk);
            assertIsPrefix(readAll(disk), varied.entries.size());
        }
    }

    @Test
    void headerZeroed_ofASegmentThatAnotherContinues_losesNothing() throws IOException {
        for (String segment : List.of(varied.oldest, varied.failed)) {
            SimulatedDisk disk = varied.disk.copy();
            byte[] changed = disk.content(segment);
            Arrays.fill(changed, 0, HEADER_BYTES, (byte) 0);
            disk.put(segment, changed);
            assertOnlyTheHeaderIsDamaged(disk, segment);
        }
    }

    /**
     * Checks that the empty segment of a clean shutdown proves the context of the segment before it, and that later
     * starts preserve this proof.
     */
    @Test
    void headerZeroed_beforeACleanEnd_losesNothingInLaterStarts() throws IOException {
        SimulatedLog log = SimulatedLog.open(varied.disk);
        log.append(entry("before the end"));
        String last = SimulatedLog.newest(varied.disk);
        log.log.close();
        assertThat(SimulatedLog.newest(varied.disk)).isNotEqualTo(last);
        byte[] changed = varied.disk.content(last);
        Arrays.fill(changed, 0, HEADER_BYTES, (byte) 0);
        varied.disk.put(last, changed);
        int records = varied.entries.size() + 1;
        for (int start = 0; start < 3; start++) {
            SimulatedLog.open(varied.disk).log.close();
            assertThat(readAll(varied.disk)).as("start %d", start).hasSize(records);
        }
        assertThat(new LogRepair(varied.disk, DIRECTORY, SimulatedLog.PREFIX, "a test")
                        .run()
                        .lost())
                .isEmpty();
        SimulatedLog.open(varied.disk).append(entry("more"));
        assertThat(readAll(varied.disk)).hasSize(records + 1);
    }

    @Test
    void headerZeroed_andFirstRecordDamaged_losesThatRecord() throws IOException {
        byte[] changed = varied.disk.content(varied.oldest);
        Arrays.fill(changed, 0, (int) offsetOf(2) - 3, (byte) 0);
        varied.disk.put(varied.oldest, changed);
        assertThat(SimulatedLog.verify(varied.disk).damages())
                .extracting(Damage::firstMissing, Damage::lastMissing)
                .containsExactly(tuple(1L, 1L));
        assertThat(SimulatedLog.readSkipping(varied.disk)).hasSize(varied.entries.size() - 1);
    }

    /**
     * Checks a segment whose context is uncertain: a clean shutdown left an empty segment, which the next start
     * replaced with one under another policy.
     */
    @Test
    void headerZeroed_contextNotCertain_isDamage() throws IOException {
        SimulatedDisk disk = new SimulatedDisk(new Random(5));
        SimulatedLog log = SimulatedLog.open(disk);
        log.append(entry("before"));
        log.log.close();
        LogOptions usual = options();
        LogOptions changed = new LogOptions(
                usual.directory(), usual.prefix(), "changed", usual.holder(), usual.sizes(), usual.onDamage());
        SimulatedLog.open(disk, changed, new Clock()).append(entry("after"));
        disk.kill();
        String first = disk.names().stream()
                .filter(name -> name.endsWith(".wal"))
                .findFirst()
                .orElseThrow();
        assertThat(readAll(disk)).extracting(LogRecord::context).containsExactly(usual.context(), "changed");
        byte[] content = disk.content(first);
        Arrays.fill(content, 0, HEADER_BYTES, (byte) 0);
        disk.put(first, content);

        assertThatThrownBy(() -> readAll(disk)).isInstanceOf(DamagedLogException.class);
    }

    @Test
    void bytesInsertedIntoOrRemovedFromAHeader_loseNothing() throws IOException {
        for (String segment : List.of(varied.oldest, varied.newest)) {
            assertShiftsLoseNothing(varied.disk, segment, 1);
            assertShiftsLoseNothing(varied.disk, segment, 40);
        }
        SimulatedLog closed = SimulatedLog.open(varied.disk.copy());
        closed.log.close();
        assertShiftsLoseNothing(closed.disk, SimulatedLog.newest(closed.disk), 1);
    }

    private void assertShiftsLoseNothing(SimulatedDisk complete, String segment, int bytes) throws IOException {
        byte[] content = complete.content(segment);
        for (int at = 1; at + bytes <= HEADER_BYTES; at += 67 * EACH) {
            byte[] longer = new byte[content.length + bytes];
            Arrays.fill(longer, (byte) '#');
            System.arraycopy(content, 0, longer, 0, at);
            System.arraycopy(content, at, longer, at + bytes, content.length - at);
            byte[] shorter = Arrays.copyOf(content, content.length - bytes);
            System.arraycopy(content, at + bytes, shorter, at, shorter.length - at);
            for (byte[] changed : List.of(longer, shorter)) {
                SimulatedDisk disk = complete.copy();
                disk.put(segment, changed);
                assertOnlyTheHeaderIsDamaged(disk, segment);
            }
        }
    }

    @Test
    void junkWithTheNameOfASegment_whoseRecordsAreInAnother_losesNothing() throws IOException {
        long lastGroup = varied.lastGroup();
        for (long first = 1; first <= lastGroup - 1; first++) {
            for (byte[] junk : List.of(new byte[5_000], "hello\n".getBytes(StandardCharsets.US_ASCII))) {
                SimulatedDisk disk = varied.disk.copy();
                String name = "inbox-20261124-%016d.wal".formatted(first);
                disk.put(name, junk);
                assertThat(SimulatedLog.verify(disk).damages()).as(name).isEmpty();
                assertThat(new LogRepair(disk, DIRECTORY, SimulatedLog.PREFIX, "a test")
                                .run()
                                .isNeeded())
                        .isFalse();
                assertIsPrefix(readAll(disk), varied.entries.size());
                assertThat(SimulatedLog.open(disk).append(entry("next")).firstSequence)
                        .isEqualTo(varied.entries.size() + 1L);
                assertThat(disk.content(name)).isEqualTo(junk);
            }
        }
    }

    @Test
    void segmentReplacedByZeros_allOfWhichTheNextRepeats_losesNothing() throws IOException {
        SimulatedDisk disk = new SimulatedDisk(new Random(4));
        SimulatedLog.open(disk).append(entry("one"), entry("two"));
        disk.kill();
        String repeated = SimulatedLog.newest(disk);
        SimulatedLog.open(disk).append(entry("three"));
        disk.kill();
        disk.put(repeated, new byte[20_000]);

        assertThat(SimulatedLog.verify(disk).isComplete()).isTrue();
        assertThat(SimulatedLog.inspector(disk).list().others())
                .containsExactly(new OtherFile(repeated, Kind.NO_SEGMENT));
        assertThat(new LogRepair(disk, DIRECTORY, SimulatedLog.PREFIX, "a test")
                        .plan()
                        .isNeeded())
                .isFalse();
        assertThat(readAll(disk)).hasSize(3);
    }

    @Test
    void junkAfterTheNewestSegment_isNamedInTheError_andOnlyItIsSetAside() throws IOException {
        SimulatedLog closed = SimulatedLog.open(varied.disk.copy());
        closed.log.close();
        SimulatedDisk disk = closed.disk;
        long next = varied.entries.size() + 1L;
        String junk = "inbox-20261124-%016d.wal".formatted(next + 1);
        disk.put(junk, new byte[5_000]);

        assertThatThrownBy(() -> SimulatedLog.open(disk))
                .isInstanceOf(DamagedLogException.class)
                .hasMessageContaining("segment " + junk + " is damaged at byte 0: record " + next + " can't be read");
        Repair repaired = new LogRepair(disk, DIRECTORY, SimulatedLog.PREFIX, "a test").run();
        assertThat(repaired.setAside()).extracting(SetAside::segment).containsExactly(junk);
        assertThat(repaired.lost()).extracting(Damage::segment).containsOnly(junk);
        assertThat(repaired.missing()).isEqualTo(2);
        assertThat(SimulatedLog.open(disk).append(entry("next")).firstSequence).isEqualTo(next + 2);
    }

    /**
     * Checks that junk can't use up all sequences. Otherwise, records acknowledged later would be cut off as
     * unfinished.
     */
    @Test
    void junkWithAnImplausibleSequence_usesUpNoSequences() throws IOException {
        long next = varied.entries.size() + 1L;
        byte[] junk = new byte[100];
        Arrays.fill(junk, (byte) 'x');
        byte[] line = "flk1 0a1b2c3d 5 9223372036854775806 9223372036854775806 1 a key\nhello\n"
                .getBytes(StandardCharsets.UTF_8);
        for (OnDamage onDamage : OnDamage.values()) {
            SimulatedDisk disk = varied.disk.copy();
            disk.put("inbox-20261231-9223372036854775806.wal", junk);
            LogOptions usual = options();
            LogOptions options = new LogOptions(
                    usual.directory(), usual.prefix(), usual.context(), usual.holder(), usual.sizes(), onDamage);

            assertThat(SimulatedLog.open(disk, options, new Clock()).append(entry("next")).firstSequence)
                    .isEqualTo(next);
            assertThat(readAll(disk)).hasSize((int) next);
        }
        SimulatedDisk disk = varied.disk.copy();
        disk.put("inbox-20261231-0000000000000500.wal", line);
        LogOptions usual = options();
        LogOptions skipping = new LogOptions(
                usual.directory(), usual.prefix(), usual.context(), usual.holder(), usual.sizes(), OnDamage.SKIP);
        assertThat(SimulatedLog.open(disk, skipping, new Clock()).append(entry("next")).firstSequence)
                .isEqualTo(501);
    }

    /** Destroys both copies of a header's lines. */
    private static void destroyHeader(byte[] segment) {
        Arrays.fill(segment, 20, HEADER_BYTES, (byte) 0);
    }

    @Test
    void flipBytes_ofAHeaderThatCarriesTheLastGroup_loseNoMoreThanTheRecordThatIsHit() throws IOException {
        flipBytesOfACarryingHeader(17);
    }

    @Test
    @Tag("thorough")
    void flipEveryByte_ofAHeaderThatCarriesTheLastGroup_losesNoMoreThanTheRecordThatIsHit() throws IOException {
        flipBytesOfACarryingHeader(1);
    }

    /**
     * Changes the header in which a start repeated the last group, after the segment before it was removed, as by a
     * compaction.
     */
    private static void flipBytesOfACarryingHeader(int distance) throws IOException {
        SimulatedDisk disk = new SimulatedDisk(new Random(9));
        SimulatedLog.open(disk).append(entry(1, 1_500), entry(2, 1_500), entry(3, 1_500), entry(4, 700));
        disk.kill();
        String before = disk.names().stream()
                .filter(name -> name.endsWith(".wal"))
                .findFirst()
                .orElseThrow();
        SimulatedLog.open(disk).append(entry("after"));
        disk.kill();
        disk.remove(before);
        String carrying = SimulatedLog.newest(disk);
        byte[] complete = disk.content(carrying);
        for (int at = 0; at < HEADER_BYTES; at += Math.max(distance, step(complete, at))) {
            SimulatedDisk damaged = disk.copy();
            byte[] changed = complete.clone();
            changed[at] ^= (byte) (1 << at % 8);
            damaged.put(carrying, changed);

            List<Long> read = SimulatedLog.readSkipping(damaged).stream()
                    .map(LogRecord::sequence)
                    .toList();
            assertThat(List.of(1L, 2L, 3L, 4L, 5L)).as("byte %d", at).containsAll(read);
            assertThat(read).as("byte %d", at).hasSizeBetween(4, 5).contains(5L);
            assertThat(SimulatedLog.inspector(damaged).verify(1, 0).missing())
                    .as("byte %d", at)
                    .isEqualTo(5 - read.size());
            Repair repaired = new LogRepair(damaged, DIRECTORY, SimulatedLog.PREFIX, "a test").run();
            assertThat(repaired.setAside()).hasSize(1);
            assertThat(repaired.missing()).isLessThanOrEqualTo(5 - read.size());
            assertThat(SimulatedLog.readSkipping(damaged)).hasSize(read.size());
        }
    }

    @Test
    void flipEveryByte_ofFailedSegmentAfterItsHeader_losesNothing() throws IOException {
        byte[] complete = varied.disk.content(varied.failed);
        for (int at = HEADER_BYTES; at < complete.length; at++) {
            SimulatedDisk disk = varied.disk.copy();
            byte[] changed = complete.clone();
            changed[at] ^= (byte) (1 << at % 8);
            disk.put(varied.failed, changed);
            // the newest segment repeats all records of the failed one, since they share the block whose force failed
            assertIsPrefix(readAll(disk), varied.entries.size());
        }
    }

    @Test
    void failedSegment_ofWhichARefusedRecordIsLeft_takesNothingFromTheNewest() throws IOException {
        byte[] changed = varied.disk.content(varied.failed);
        String text = new String(changed, StandardCharsets.ISO_8859_1);
        Arrays.fill(changed, 0, text.lastIndexOf("flk1 "), (byte) 0);
        varied.disk.put(varied.failed, changed);

        assertIsPrefix(readAll(varied.disk), varied.entries.size());
        reopenAndAppend(varied.disk, varied.entries.size());
    }

    @Test
    void failedSegment_ofWhichARefusedRecordBeyondTheNewestIsLeft_losesNothing() throws IOException {
        SimulatedDisk disk = new SimulatedDisk(new Random(4));
        SimulatedLog log = SimulatedLog.open(disk);
        log.append(entry("answered first"));
        disk.failOperation(1, SimulatedDisk.Fault.EIO);
        log.append(entry("refused first"), entry("refused second"));
        log.append(entry("answered second"));
        disk.kill();
        String failed = disk.names().get(0);
        byte[] changed = disk.content(failed);
        String text = new String(changed, StandardCharsets.ISO_8859_1);
        Arrays.fill(changed, 0, text.lastIndexOf("flk1 "), (byte) 0);
        disk.put(failed, changed);

        assertThat(bodies(readAll(disk))).containsExactly("answered first", "answered second");
        assertThat(SimulatedLog.open(disk).append(entry("next")).firstSequence).isEqualTo(3);
    }

    @Test
    void newestWithoutHeaderAndFirstRecords_isMissingFromItsFirstSequenceOn_andNoRefusedRecordStandsIn()
            throws IOException {
        byte[] changed = varied.disk.content(varied.newest);
        Arrays.fill(changed, 20, (int) offsetOf(varied.firstOwnOfNewest() + 2), (byte) 0);
        varied.disk.put(varied.newest, changed);

        assertIsLostFromItsFirstSequenceOn(varied.newest);
    }

    @Test
    void newestWithoutHeader_inWhichALineTellsALowerSequence_takesNothingFromTheOldest() throws IOException {
        byte[] complete = varied.disk.content(varied.newest);
        String text = new String(complete, StandardCharsets.ISO_8859_1);
        int digit = text.indexOf(" 15 14 ") + 1;
        byte[] changed = Arrays.copyOf(complete, complete.length - 1);
        System.arraycopy(complete, digit + 1, changed, digit, changed.length - digit);
        destroyHeader(changed);
        varied.disk.put(varied.newest, changed);

        assertIsLostFromItsFirstSequenceOn(varied.newest);
    }

    @Test
    void skip_lastReadableSegmentIsCut_whatIsCutOffIsSetAside() throws IOException {
        byte[] oldest = varied.disk.content(varied.oldest);
        Arrays.fill(oldest, (int) offsetOf(4), (int) offsetOf(7) + 100, (byte) 0);
        varied.disk.put(varied.oldest, oldest);
        for (String later : List.of(varied.failed, varied.newest)) {
            byte[] headless = varied.disk.content(later);
            destroyHeader(headless);
            varied.disk.put(later, headless);
        }

        SimulatedLog log = SimulatedLog.open(varied.disk, options().with(OnDamage.SKIP), new Clock());

        int kept = varied.disk.content(varied.oldest).length;
        assertThat(varied.disk.content(varied.oldest + ".broken"))
                .isEqualTo(Arrays.copyOfRange(oldest, kept, oldest.length));
        assertThat(log.log.startReport().damages())
                .extracting(Damage::firstMissing, Damage::lastMissing)
                .containsExactly(tuple(4L, 7L), tuple(8L, 16L));
    }

    private void assertIsLostFromItsFirstSequenceOn(String newest) throws IOException {
        long first = varied.firstOwnOfNewest();
        try (LogReader reader = LogReader.open(varied.disk, DIRECTORY, "inbox", 1, OnDamage.SKIP)) {
            List<LogRecord> records = new ArrayList<>();
            for (LogRecord record = reader.next(); record != null; record = reader.next()) {
                records.add(record);
            }
            assertIsPrefix(records, (int) first - 1);
            assertThat(reader.damages()).containsExactly(new Damage(newest, 0, first, varied.entries.size()));
        }
    }

    @Test
    void skip_brokenHeaderOfNewest_goesOnBehindItsRecords() throws IOException {
        byte[] changed = varied.disk.content(varied.newest);
        destroyHeader(changed);
        varied.disk.put(varied.newest, changed);
        SimulatedLog log = SimulatedLog.open(varied.disk, options().with(OnDamage.SKIP), new Clock());
        long end = varied.entries.size();
        assertThat(log.log.startReport().damages())
                .containsExactly(new Damage(varied.newest, 0, varied.firstOwnOfNewest(), end));
        assertThat(log.append(entry("next")).firstSequence).isEqualTo(end + 1);
        assertThat(varied.disk.names()).contains(varied.newest);
        try (LogReader reader = LogReader.open(varied.disk, DIRECTORY, "inbox", 1, OnDamage.SKIP)) {
            int count = 0;
            while (reader.next() != null) {
                count++;
            }
            assertThat(count).isEqualTo(varied.firstOwnOfNewest());
            assertThat(reader.damages())
                    .extracting(Damage::firstMissing, Damage::lastMissing)
                    .containsExactly(tuple(varied.firstOwnOfNewest(), end));
        }
    }

    @Test
    void failedSegmentMissing_losesNothing_andWithoutTheNewestTheOldestIsRead() throws IOException {
        SimulatedDisk disk = varied.disk.copy();
        disk.delete(DIRECTORY.resolve(varied.failed));
        // the newest segment repeats all records of the failed one
        assertIsPrefix(readAll(disk), varied.entries.size());
        disk.delete(DIRECTORY.resolve(varied.newest));
        assertIsPrefix(readAll(disk), 7);
    }

    @Test
    void recordsSwapped_losesNothing() throws IOException {
        byte[] complete = varied.disk.content(varied.oldest);
        int second = (int) offsetOf(2);
        int third = (int) offsetOf(3);
        int fourth = (int) offsetOf(4);
        byte[] swapped = complete.clone();
        System.arraycopy(complete, third, swapped, second, fourth - third);
        System.arraycopy(complete, second, swapped, second + fourth - third, third - second);
        varied.disk.put(varied.oldest, swapped);
        assertIsPrefix(readAll(varied.disk), varied.entries.size());
    }

    @Test
    void recordOfAnotherSegment_isDamage() throws IOException {
        byte[] mine = varied.disk.content(varied.oldest);
        byte[] theirs = foreignCopyOfFirstRecords(mine);
        System.arraycopy(theirs, HEADER_BYTES, mine, HEADER_BYTES, 60);
        varied.disk.put(varied.oldest, mine);
        assertDamaged(varied.disk, HEADER_BYTES);
    }

    private byte[] foreignCopyOfFirstRecords(byte[] mine) throws IOException {
        SimulatedDisk disk = new SimulatedDisk(new Random(3));
        Clock clock = new Clock();
        clock.millis += 12_345; // makes the segment id differ
        SimulatedLog log = SimulatedLog.open(disk, options(), clock);
        log.append(varied.entries.get(0));
        log.append(varied.entries.get(1));
        byte[] theirs = disk.content("inbox-20261120-0000000000000001.wal");
        assertThat(theirs.length).isLessThan(mine.length);
        return theirs;
    }

    private DamagedLogException assertDamaged(SimulatedDisk disk, int at) {
        try {
            readAll(disk);
        } catch (DamagedLogException e) {
            return e;
        } catch (IOException e) {
            throw new AssertionError("byte " + at, e);
        }
        throw new AssertionError("no damage seen at byte " + at);
    }

    /** Reads the log, checks that the records are a prefix of those appended, and returns their number. */
    private int readPrefix(SimulatedDisk disk) throws IOException {
        List<LogRecord> records = readAll(disk);
        assertIsPrefix(records, records.size());
        return records.size();
    }

    private void assertIsPrefix(List<LogRecord> records, int count) {
        assertThat(records).hasSize(count);
        for (int i = 0; i < count; i++) {
            assertThat(records.get(i).sequence()).isEqualTo(i + 1);
            assertThat(same(records.get(i), varied.entries.get(i))).isTrue();
            assertThat(records.get(i).group()).isEqualTo(varied.groups.get(i));
        }
    }

    /**
     * Checks that a start continues after the kept records and reports the torn tail that it set aside; returns the
     * bytes of that tail.
     */
    private byte[] reopenAndAppend(SimulatedDisk disk, int kept) throws IOException {
        SimulatedLog again = SimulatedLog.open(disk);
        assertThat(again.append(entry("next")).firstSequence).isEqualTo(kept + 1);
        List<LogRecord> records = readAll(disk);
        assertThat(records).hasSize(kept + 1);
        assertIsPrefix(records.subList(0, kept), kept);
        String broken = varied.newest + ".broken";
        if (!disk.names().contains(broken)) {
            assertThat(again.log.startReport().cutTail()).isNull();
            return new byte[0];
        }
        byte[] torn = disk.content(broken);
        long offset = Math.max(HEADER_BYTES, offsetOf(kept + 1));
        assertThat(again.log.startReport().cutTail())
                .isEqualTo(new CutTail(varied.newest, offset, torn.length, kept + 1, broken));
        return torn;
    }

    private byte[] tornPart(byte[] complete, int length, int kept) throws IOException {
        long end = kept == varied.entries.size() ? complete.length : Math.max(HEADER_BYTES, offsetOf(kept + 1));
        byte[] torn = Arrays.copyOfRange(complete, (int) end, Math.max((int) end, length));
        int content = torn.length;
        while (content > 0 && torn[content - 1] == 0) {
            content--;
        }
        return Arrays.copyOf(torn, content);
    }

    private long offsetOf(long sequence) throws IOException {
        return SimulatedLog.offsetOf(varied.disk, sequence);
    }

    private long sequenceAt(String segment, int offset) throws IOException {
        long found = 0;
        for (LogRecord record : readAll(varied.disk)) {
            if (record.position().segment().equals(segment) && record.position().offset() <= offset) {
                found = record.sequence();
            }
        }
        return found;
    }
}
