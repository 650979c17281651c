// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import static dev.flk.wal.SimulatedLog.DIRECTORY;
import static dev.flk.wal.SimulatedLog.PREFIX;
import static dev.flk.wal.SimulatedLog.bodies;
import static dev.flk.wal.SimulatedLog.destroyHeader;
import static dev.flk.wal.SimulatedLog.entry;
import static dev.flk.wal.SimulatedLog.flip;
import static dev.flk.wal.SimulatedLog.newest;
import static dev.flk.wal.SimulatedLog.readAll;
import static dev.flk.wal.SimulatedLog.readSkipping;
import static dev.flk.wal.SimulatedLog.retention;
import static dev.flk.wal.SimulatedLog.same;
import static dev.flk.wal.SimulatedLog.verify;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import dev.flk.wal.LogRepair.Repair;
import dev.flk.wal.LogRepair.Repair.SetAside;
import dev.flk.wal.SimulatedLog.Clock;
import dev.flk.wal.files.LogLockedException;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.Damage.Kind;
import dev.flk.wal.segment.DamagedLogException;
import dev.flk.wal.segment.Entry;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.segment.SegmentHeader;
import dev.flk.wal.testing.SimulatedDisk;
import dev.flk.wal.testing.SimulatedDisk.Fault;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.LongStream;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;
import java.util.zip.ZipException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Tests of what a repair gives up and keeps, and that it deletes nothing, whatever is damaged and wherever the repair
 * is interrupted.
 */
final class LogRepairTest {
    private final VariedLog varied = new VariedLog();
    private final SimulatedDisk disk = varied.disk;

    LogRepairTest() throws IOException {}

    @Test
    void wholeLog_nothingIsDone() throws IOException {
        List<String> before = disk.names();

        assertThat(repair(disk).run().isNeeded()).isFalse();

        assertThat(disk.names()).isEqualTo(before);
    }

    @Test
    void everyByteOfEverySegmentChanged_exactlyTheLostIsGivenUpAndTheRestStays() throws IOException {
        for (String segment : List.of(varied.oldest, varied.failed, varied.newest)) {
            byte[] complete = disk.content(segment);
            for (int at = 0; at < complete.length; at += at < SimulatedLog.HEADER_BYTES ? 397 : 13) {
                SimulatedDisk copy = disk.copy();
                byte[] changed = complete.clone();
                changed[at] ^= (byte) (1 << at % 8);
                copy.put(segment, changed);
                assertRepairs(copy, segment, changed);
            }
        }
    }

    private void assertRepairs(SimulatedDisk damaged, String segment, byte[] changed) throws IOException {
        List<Damage> damages = verify(damaged).damages();
        List<LogRecord> complete = readSkipping(damaged);

        Repair planned = repair(damaged).plan();
        Repair done = repair(damaged).run();

        assertThat(done.lost()).isEqualTo(damages).isEqualTo(planned.lost());
        assertThat(readAll(damaged)).zipSatisfy(complete, LogRepairTest::assertSame);
        for (SetAside aside : done.setAside()) {
            assertThat(aside.segment()).isEqualTo(segment);
            assertThat(damaged.content(aside.as())).isEqualTo(changed);
        }
        assertThat(verify(damaged).lost()).isEqualTo(done.missing());
        assertThat(repair(damaged).run().isNeeded()).isFalse();
        assertStartsAfter(damaged, complete);
    }

    private void assertStartsAfter(SimulatedDisk repaired, List<LogRecord> complete) throws IOException {
        SimulatedLog log = SimulatedLog.open(repaired);
        long next = log.append(entry("next")).firstSequence;
        long last = complete.get(complete.size() - 1).sequence();
        assertThat(next).isEqualTo(Math.max(last, lastLost(repaired)) + 1);
        List<LogRecord> after = readAll(repaired);
        assertThat(after.subList(0, complete.size())).zipSatisfy(complete, LogRepairTest::assertSame);
        assertThat(after).hasSize(complete.size() + 1);
        assertThat(verify(repaired).isComplete()).isTrue();
    }

    @Test
    void missingSegment_isDeclaredAndNothingIsSetAside() throws IOException {
        disk.delete(Path.of(varied.newest));
        disk.put("inbox-20261121-0000000000000017.wal", headerOf(disk, 17, varied.newest));
        SimulatedLog later = SimulatedLog.open(disk);
        assertThat(later.append(entry("later")).firstSequence).isEqualTo(17);
        later.log.close();

        Repair done = repair(disk).run();

        assertThat(done.setAside()).isEmpty();
        assertThat(done.lost()).containsExactly(new Damage(Kind.ABSENT, varied.newest, 0, 11, 16));
        assertThat(readAll(disk))
                .extracting(LogRecord::sequence)
                .containsExactly(1L, 2L, 3L, 4L, 5L, 6L, 7L, 8L, 9L, 10L, 17L);
    }

    @Test
    void compressedSegmentDamaged_whatCanBeReadStays() throws IOException {
        SimulatedLog later = SimulatedLog.open(disk);
        later.append(entry("more"));
        disk.kill();
        compressAll();
        String compressed = varied.oldest + ".gz";
        byte[] damaged = disk.content(compressed);
        damaged[damaged.length * 3 / 4] ^= 4;
        disk.put(compressed, damaged);
        List<LogRecord> complete = readSkipping(disk);
        assertThat(complete.get(0).sequence()).isEqualTo(1);

        Repair done = repair(disk).run();

        assertThat(done.setAside()).extracting(SetAside::segment).containsExactly(compressed);
        assertThat(disk.content(compressed + ".broken")).isEqualTo(damaged);
        assertThat(disk.names()).contains(varied.oldest).doesNotContain(compressed);
        assertThat(readAll(disk)).zipSatisfy(complete, LogRepairTest::assertSame);
        compressAll();
        assertThat(readAll(disk)).zipSatisfy(complete, LogRepairTest::assertSame);
    }

    @Test
    void twoCopiesOfASegment_damagedInDifferentPlaces_loseOnlyWhatBothLack() throws IOException {
        List<LogRecord> before = readAll(disk);
        byte[] one = disk.content(varied.oldest);
        byte[] other = one.clone();
        one[(int) SimulatedLog.offsetOf(disk, 2) + 45] ^= 1;
        other[(int) SimulatedLog.offsetOf(disk, 5) + 45] ^= 1;
        disk.put(varied.oldest, one);
        disk.put(varied.oldest + ".b", other);
        assertThat(readAll(disk)).zipSatisfy(before, LogRepairTest::assertSame);

        assertThat(repair(disk).run().lost()).isEmpty();

        disk.delete(DIRECTORY.resolve(varied.oldest + ".b"));
        assertThat(readAll(disk)).zipSatisfy(before, LogRepairTest::assertSame);
        assertThat(repair(disk).run().isNeeded()).isFalse();

        byte[] both = disk.content(varied.oldest);
        both[(int) SimulatedLog.offsetOf(disk, 3) + 45] ^= 1;
        one[(int) SimulatedLog.offsetOf(disk, 3) + 45] ^= 1;
        disk.put(varied.oldest, both);
        disk.put(varied.oldest + ".b", one);
        assertThat(repair(disk).run().missing()).isEqualTo(1);
        assertThat(repair(disk).run().isNeeded()).isFalse();
        assertThat(readAll(disk)).hasSize(before.size() - 1);
    }

    @Test
    void compressedCopyBesideTheSegment_damagedInDifferentPlaces_losesNothing() throws IOException {
        List<LogRecord> before = readAll(disk);
        byte[] one = disk.content(varied.oldest);
        byte[] other = one.clone();
        one[(int) offsetOf(2) + 45] ^= 1;
        one[(int) offsetOf(3) + 45] ^= 1;
        other[(int) offsetOf(5) + 45] ^= 1;
        disk.put(varied.oldest, one);
        disk.put(varied.oldest + ".gz", gzipped(other));

        assertThat(repair(disk).run().lost()).isEmpty();

        assertThat(readAll(disk)).zipSatisfy(before, LogRepairTest::assertSame);
        assertThat(disk.content(varied.oldest + ".broken")).isEqualTo(one);
        assertThat(disk.content(varied.oldest + ".gz.broken")).isEqualTo(gzipped(other));
        assertThat(repair(disk).run().isNeeded()).isFalse();
    }

    @Test
    void twoCopiesOfASegment_headersDamagedInDifferentPlaces_oneRepairSuffices() throws IOException {
        List<LogRecord> before = readAll(disk);
        List<Integer> carried = before.stream()
                .filter(record -> record.position().segment().equals(varied.newest))
                .map(record -> (int) record.position().offset())
                .filter(offset -> offset < SimulatedLog.HEADER_BYTES)
                .toList();
        assertThat(carried).hasSizeGreaterThan(2);
        for (int at : carried) {
            for (int otherAt : carried) {
                SimulatedDisk copy = disk.copy();
                byte[] one = copy.content(varied.newest);
                byte[] other = one.clone();
                one[at + 45] ^= 1;
                other[otherAt + 45] ^= 1;
                copy.put(varied.newest, one);
                copy.put(varied.newest + ".b", other);

                assertThat(repair(copy).run().lost()).isEmpty();

                assertThat(repair(copy).run().isNeeded())
                        .as("bytes %d, %d", at, otherAt)
                        .isFalse();
                assertThat(readAll(copy)).zipSatisfy(before, LogRepairTest::assertSame);
            }
        }
    }

    @Test
    void severalDamages_areAllDeclaredInOneFile() throws IOException {
        flip(disk, varied.oldest, offsetOf(2) + 3);
        flip(disk, varied.oldest, offsetOf(5) + 3);
        flip(disk, varied.newest, offsetOf(12) + 3);

        Repair done = repair(disk).run();

        assertThat(done.declaredIn()).isEqualTo("inbox-lost-1");
        assertThat(done.lost()).extracting(Damage::firstMissing).containsExactly(2L, 5L, 12L);
        assertThat(done.setAside())
                .extracting(SetAside::segment, SetAside::kept)
                .containsExactly(tuple(varied.oldest, 5L), tuple(varied.newest, 5L));
    }

    @Test
    void newDamageLater_isRepairedLikeTheFirst() throws IOException {
        flip(disk, varied.oldest, offsetOf(2) + 3);
        repair(disk).run();
        flip(disk, varied.oldest, offsetOf(3) + 3);
        assertThatThrownBy(() -> readAll(disk)).isInstanceOf(DamagedLogException.class);

        Repair second = repair(disk).run();

        assertThat(second.lost())
                .extracting(Damage::firstMissing, Damage::lastMissing)
                .containsExactly(tuple(3L, 3L));
        assertThat(second.declaredIn()).isEqualTo("inbox-lost-2");
        assertThat(disk.names()).contains(varied.oldest + ".broken", varied.oldest + ".broken.2");
        assertThat(readAll(disk)).hasSize(14);
    }

    @Test
    void declarationDamaged_declaresNothing_andIsMadeAnew() throws IOException {
        flip(disk, varied.oldest, offsetOf(2) + 3);
        repair(disk).run();
        byte[] declared = disk.content("inbox-lost-1");
        for (int at = 0; at < declared.length; at++) {
            byte[] changed = declared.clone();
            changed[at] ^= 1;
            disk.put("inbox-lost-1", changed);
            assertThat(verify(disk).missing()).as("byte %d", at).isEqualTo(1);
        }
        assertThat(repair(disk).run().declaredIn()).isEqualTo("inbox-lost-2");
        assertThat(readAll(disk)).hasSize(15);
    }

    @Test
    void recordThatDidNotCount_doesNotTakeThePlaceOfALostOne() throws IOException {
        SimulatedDisk other = new SimulatedDisk(new Random(5));
        SimulatedLog log = SimulatedLog.open(other);
        log.append(entry(1, 5_000));
        other.failOperation(1, Fault.EIO);
        log.append(entry("refused"));
        log.append(entry("answered"));
        other.kill();
        String newest = newest(other);
        destroyHeader(other, newest);

        Repair done = repair(other).run();

        assertThat(done.setAside()).containsExactly(new SetAside(newest, newest + ".broken", -1));
        assertThat(bodies(readAll(other))).noneMatch("refused"::equals);
        SimulatedLog again = SimulatedLog.open(other);
        assertThat(bodies(readAll(other))).noneMatch("refused"::equals);
        assertThat(again.append(entry("next")).firstSequence).isEqualTo(3);
    }

    @Test
    void recordThatDidNotCount_behindTheLostOnes_doesNotCountAfterwards() throws IOException {
        SimulatedDisk other = new SimulatedDisk(new Random(5));
        SimulatedLog log = SimulatedLog.open(other);
        log.append(entry(1, 5_000));
        other.failOperation(1, Fault.EIO);
        log.append(entry("refused first"), entry("refused second"));
        log.append(entry("answered first"));
        log.append(entry("answered second"));
        other.kill();
        String newest = newest(other);
        destroyHeader(other, newest);
        // only one of the records after the broken header is still recognizable
        String text = new String(other.content(newest), StandardCharsets.ISO_8859_1);
        flip(other, newest, text.lastIndexOf("flk1 "));

        repair(other).run();

        assertThat(readAll(other)).extracting(LogRecord::sequence).containsExactly(1L);
        SimulatedLog again = SimulatedLog.open(other);
        again.append(entry("next"));
        assertThat(bodies(readAll(other))).hasSize(2).noneMatch(body -> body.startsWith("refused"));
    }

    @Test
    void brokenInTheLastGroup_andLaterFilesWithoutHeader_whatIsWholeBehindItStays() throws IOException {
        flip(disk, varied.oldest, offsetOf(6) + 3);
        destroyHeader(disk, varied.failed);
        destroyHeader(disk, varied.newest);

        repair(disk).run();
        SimulatedLog again = SimulatedLog.open(disk);

        assertThat(again.append(entry("next")).firstSequence).isEqualTo(17);
        assertThat(readAll(disk)).extracting(LogRecord::sequence).containsExactly(1L, 2L, 3L, 4L, 5L, 7L, 17L);
    }

    @Test
    void unfinishedEndBehindDamage_isLeftToTheNextStart() throws IOException {
        flip(disk, varied.newest, offsetOf(12) + 3);
        byte[] content = disk.content(varied.newest);
        disk.put(varied.newest, Arrays.copyOf(Arrays.copyOf(content, content.length - 1), content.length + 9_000));

        repair(disk).run();
        SimulatedLog again = SimulatedLog.open(disk);

        assertThat(again.append(entry("next")).firstSequence).isEqualTo(16);
        assertThat(disk.names()).contains(varied.newest + ".broken", varied.newest + ".broken.2");
    }

    @Test
    void allSegmentsWithoutHeader_theLogGoesOnBehindThem() throws IOException {
        for (String name : List.of(varied.oldest, varied.newest)) {
            destroyHeader(disk, name);
        }
        disk.delete(Path.of(varied.failed));

        Repair done = repair(disk).run();

        assertThat(done.lost())
                .extracting(Damage::firstMissing, Damage::lastMissing)
                .containsExactly(tuple(1L, 16L));
        assertThat(SimulatedLog.open(disk).append(entry("next")).firstSequence).isEqualTo(17);
    }

    @Test
    void allHeadersLost_intactCopyPutBackLater_isOlderThanTheSegmentsSince() throws IOException {
        SimulatedDisk disk = new SimulatedDisk(new Random(6));
        byte[] complete = loseOneAndTwo(disk);
        SimulatedLog.open(disk).append(entry("three"));
        disk.kill();

        disk.put("inbox-20261120-0000000000000001.wal", complete);
        disk.remove("inbox-lost-1");

        assertThat(bodies(readAll(disk))).containsExactly("one", "two", "three");
        assertThat(SimulatedLog.open(disk).append(entry("four")).firstSequence).isEqualTo(4);
    }

    @Test
    void newestHeaderLost_intactCopyPutBackLater_hidesNoRecordSince() throws IOException {
        SimulatedDisk disk = new SimulatedDisk(new Random(6));
        SimulatedLog.open(disk).append(entry("zero"));
        disk.kill();
        byte[] complete = loseOneAndTwo(disk);
        SimulatedLog.open(disk).append(entry("three"));
        disk.kill();

        disk.put("inbox-20261120-0000000000000002.wal", complete);

        assertThat(bodies(readAll(disk))).containsExactly("zero", "three");
        disk.remove("inbox-lost-1");
        assertThat(verify(disk).missing()).isEqualTo(2);
        assertThat(bodies(readSkipping(disk))).containsExactly("zero", "three");
    }

    /**
     * Appends two records to a segment with a high ordinal, destroys its header and repairs the log. Returns what the
     * segment contained before.
     */
    private static byte[] loseOneAndTwo(SimulatedDisk disk) throws IOException {
        for (int start = 0; start < 3; start++) {
            SimulatedLog.open(disk).log.close(); // each start replaces the empty segment by one with a higher ordinal
        }
        SimulatedLog.open(disk).append(entry("one"), entry("two"));
        disk.kill();
        String segment = newest(disk);
        byte[] complete = disk.content(segment);
        destroyHeader(disk, segment);
        assertThat(repair(disk).run().missing()).isEqualTo(2);
        return complete;
    }

    @Test
    void compressedSegmentDamaged_anotherSegmentHasItsPlainName_bothStay() throws IOException {
        SimulatedLog.open(disk).append(entry("more"));
        disk.kill();
        compressAll();
        byte[] other = disk.content(varied.newest + ".gz");
        disk.moveAway(varied.newest + ".gz", varied.oldest);
        byte[] damaged = disk.content(varied.oldest + ".gz");
        damaged[damaged.length * 3 / 4] ^= 4;
        disk.put(varied.oldest + ".gz", damaged);
        List<LogRecord> complete = readSkipping(disk);

        assertThat(repair(disk).run().setAside()).extracting(SetAside::segment).containsExactly(varied.oldest + ".gz");

        assertThat(disk.content(varied.oldest)).isEqualTo(other);
        assertThat(readAll(disk)).zipSatisfy(complete, LogRepairTest::assertSame);
        assertThat(repair(disk).run().isNeeded()).isFalse();
    }

    @Test
    void ownedByAnother_isRefusedAndNothingChanges() throws IOException {
        flip(disk, varied.oldest, offsetOf(2) + 3);
        disk.lock(Path.of("lock"), "process 1");
        List<String> before = disk.names();

        assertThatThrownBy(() -> repair(disk).run()).isInstanceOf(LogLockedException.class);

        assertThat(disk.names()).isEqualTo(before);
    }

    @ParameterizedTest
    @EnumSource(Fault.class)
    void everyOperation_failing_nothingWholeIsLostAndAnotherRunEndsIt(Fault fault) throws IOException {
        SimulatedLog.open(disk).append(entry("more"));
        disk.kill();
        compressAll();
        byte[] compressed = disk.content(varied.oldest + ".gz");
        compressed[compressed.length * 3 / 4] ^= 4;
        disk.put(varied.oldest + ".gz", compressed);
        disk.put(varied.newest + ".gz", Arrays.copyOf(disk.content(varied.newest + ".gz"), 40));
        String last = newest(disk);
        SimulatedLog.open(disk).append(entry("a"), entry("b"));
        disk.kill();
        destroyHeader(disk, last);
        List<LogRecord> complete = readSkipping(disk);
        List<byte[]> originals = new ArrayList<>();
        for (String name : List.of(varied.oldest + ".gz", varied.newest + ".gz", last)) {
            originals.add(disk.content(name));
        }
        List<Damage> damages = verify(disk).damages();

        boolean reached = true;
        for (int n = 0; reached; n += SimulatedLog.EACH) {
            SimulatedDisk copy = disk.copy();
            copy.failOperation(n, fault);
            boolean ended = false;
            try {
                repair(copy).run();
                ended = true;
            } catch (SimulatedDisk.Killed | IOException e) {
                assertThat(copy.faultHappened()).isTrue();
            }
            reached = copy.faultHappened();
            if (n % 2 == 0) {
                copy.losePower();
            } else {
                copy.kill();
            }
            assertThat(readSkipping(copy)).as("operation %d", n).zipSatisfy(complete, LogRepairTest::assertSame);
            assertKept(copy, originals);
            assertThat(ended && reached).isFalse();
            repair(copy).run();
            assertKept(copy, originals);
            assertThat(readAll(copy)).zipSatisfy(complete, LogRepairTest::assertSame);
            assertThat(verify(copy).lost())
                    .isEqualTo(damages.stream().mapToLong(Damage::missing).sum());
            assertThat(copy.names()).noneMatch(name -> name.contains("opening"));
            assertThat(repair(copy).run().isNeeded()).isFalse();
        }
    }

    private static void assertKept(SimulatedDisk disk, List<byte[]> originals) {
        for (byte[] original : originals) {
            assertThat(disk.names()).anyMatch(name -> Arrays.equals(disk.content(name), original));
        }
    }

    private static void assertSame(LogRecord actual, LogRecord expected) {
        assertThat(actual.sequence()).isEqualTo(expected.sequence());
        assertThat(actual.group()).isEqualTo(expected.group());
        assertThat(actual.context()).isEqualTo(expected.context());
        assertThat(same(actual, expected.entry())).isTrue();
    }

    private static LogRepair repair(SimulatedDisk disk) {
        return new LogRepair(disk, DIRECTORY, PREFIX, "a test");
    }

    /** Returns the last sequence that is declared lost, or 0 if there is none. */
    private static long lastLost(SimulatedDisk disk) {
        return disk.names().stream()
                .filter(name -> name.startsWith("inbox-lost-"))
                .flatMap(name -> new String(disk.content(name), StandardCharsets.UTF_8)
                        .lines()
                        .skip(2))
                .flatMapToLong(line -> LongStream.of(Long.parseLong(line.split(" ", -1)[1])))
                .max()
                .orElse(0);
    }

    private static byte[] headerOf(SimulatedDisk disk, long next, String previous) {
        String logId = new String(disk.content("inbox.id"), StandardCharsets.US_ASCII).split(" ", -1)[1];
        SegmentHeader header = new SegmentHeader(
                "00112233aabbccdd", logId, 9, next, next, previous, 0, "-", "policy-1", new Clock().millis, List.of());
        byte[] bytes = new byte[SimulatedLog.HEADER_BYTES];
        header.encode().get(bytes);
        return bytes;
    }

    private void compressAll() throws IOException {
        Clock later = new Clock();
        later.advance(Duration.ofDays(2));
        while (retention(disk, Duration.ofDays(14), later).step(0) != Retention.Done.NOTHING) {
            // each step compresses one segment
        }
    }

    private long offsetOf(long sequence) throws IOException {
        return SimulatedLog.offsetOf(disk, sequence);
    }

    /** Simulates a backup program that pads a compressed segment, and damage to the segment's gzip trailer. */
    @Test
    void trailerOfACompressedSegmentDamaged_losesNothing() throws IOException {
        byte[] complete = gzipped(varied.disk.content(varied.oldest));
        byte[] smaller = complete.clone();
        Arrays.fill(smaller, complete.length - 4, complete.length, (byte) 0);
        for (byte[] changed : List.of(Arrays.copyOf(complete, complete.length + 4), smaller)) {
            SimulatedDisk disk = varied.disk.copy();
            disk.remove(varied.oldest);
            disk.put(varied.oldest + ".gz", changed);
            assertThat(SimulatedLog.verify(disk).isComplete()).isTrue();
            assertThat(readAll(disk)).hasSize(varied.entries.size());
        }
    }

    @Test
    void oneBlockOfACompressedSegmentZeroed_recordsBeforeItStay() throws IOException {
        Random random = new Random(3);
        SimulatedDisk written = new SimulatedDisk(random);
        SimulatedLog log = SimulatedLog.open(written);
        for (int i = 0; i < 20; i++) {
            byte[] body = new byte[1_500];
            random.nextBytes(body);
            log.append(new Entry('a', "key", 1, body));
        }
        log.log.close();
        String segment = readAll(written).get(0).position().segment();
        byte[] content = written.content(segment);
        byte[] complete = gzipped(content);
        written.remove(segment);
        for (int at = 4_096; at < complete.length; at += 4_096) {
            byte[] changed = complete.clone();
            Arrays.fill(changed, at, Math.min(at + 4_096, complete.length), (byte) 0);
            SimulatedDisk disk = written.copy();
            disk.put(segment + ".gz", changed);
            long readable = intact(changed, content);
            List<LogRecord> records = readSkipping(disk);
            LogRecord last = records.get(records.size() - 1);
            assertThat(readable - last.position().offset())
                    .as("block at %d: %d bytes are intact, %d records were read", at, readable, records.size())
                    .isLessThan(2 * 1_600);
        }
    }

    /** Returns the number of bytes that a decompressor returns before the damage if it is read one byte at a time. */
    private static long intact(byte[] compressed, byte[] content) throws IOException {
        int bytes = 0;
        try (GZIPInputStream damaged = new GZIPInputStream(new ByteArrayInputStream(compressed))) {
            while (bytes < content.length && damaged.read() == (content[bytes] & 0xff)) {
                bytes++;
            }
        } catch (ZipException | EOFException e) {
            return bytes;
        }
        return bytes;
    }

    private static byte[] gzipped(byte[] content) throws IOException {
        ByteArrayOutputStream compressed = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(compressed)) {
            gzip.write(content);
        }
        return compressed.toByteArray();
    }
}
