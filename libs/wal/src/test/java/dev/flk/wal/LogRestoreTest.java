// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import static dev.flk.wal.SimulatedLog.DIRECTORY;
import static dev.flk.wal.SimulatedLog.PREFIX;
import static dev.flk.wal.SimulatedLog.entry;
import static dev.flk.wal.SimulatedLog.readAll;
import static dev.flk.wal.SimulatedLog.same;
import static dev.flk.wal.SimulatedLog.verify;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import dev.flk.wal.LogRestore.Restored;
import dev.flk.wal.SegmentArchive.ArchivedLog;
import dev.flk.wal.SimulatedLog.Clock;
import dev.flk.wal.files.LogLockedException;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.DeclaredLosses;
import dev.flk.wal.segment.Entry;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.segment.SegmentHeader;
import dev.flk.wal.segment.SegmentScan;
import dev.flk.wal.testing.SimulatedDisk;
import dev.flk.wal.testing.SimulatedDisk.Fault;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.LongStream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Tests of what a restore brings back from an archive, whatever is in it and wherever the restore is interrupted. */
final class LogRestoreTest {
    private static final String MARK = PREFIX + ".mark";
    private static final int SEGMENT_RECORDS = 3;

    private final SimulatedDisk live = new SimulatedDisk(new Random(3));
    private final SimulatedDisk archive = new SimulatedDisk(new Random(4));
    private final SimulatedDisk disk = new SimulatedDisk(new Random(5));

    /** The entries of the live log, from sequence 1 on. */
    private final List<Entry> entries = new ArrayList<>();

    /** Writes a log with this number of closed segments and one that is active, and archives the closed ones. */
    private String archived(int closed) throws IOException {
        SimulatedLog log = SimulatedLog.open(
                live,
                SimulatedLog.options(SimulatedLog.SIZES.withSegments(
                        SimulatedLog.HEADER_BYTES + 400L * SEGMENT_RECORDS, Duration.ofDays(1))),
                new Clock());
        while (segments(live).size() <= closed) {
            append(log, entry(entries.size(), 400));
        }
        live.kill();
        List<String> segments = segments(live);
        for (String name : segments.subList(0, closed)) {
            archive.put(name.replace(".wal", "-" + header(live, name).id() + ".wal"), live.content(name));
        }
        return logId(live);
    }

    private void append(SimulatedLog log, Entry entry) {
        entries.add(entry);
        assertThat(log.append(entry).firstSequence).isEqualTo(entries.size());
    }

    private static List<String> segments(SimulatedDisk of) {
        return of.names().stream().filter(name -> name.contains(".wal")).toList();
    }

    private static SegmentHeader header(SimulatedDisk of, String name) throws IOException {
        try (SegmentScan scan = SegmentScan.open(of, Path.of(name))) {
            return scan.header();
        }
    }

    private static String logId(SimulatedDisk of) {
        return new String(of.content("inbox.id"), StandardCharsets.US_ASCII).split(" ", -1)[1];
    }

    private Restored restore(SimulatedDisk into) throws IOException {
        return restore(into, 0, 0);
    }

    private Restored restore(SimulatedDisk into, long removed, long known) throws IOException {
        SegmentArchive segments = SegmentArchive.read(archive, Path.of("archive"));
        assertThat(segments.logs()).hasSize(1);
        return restore(segments, segments.logs().get(0).logId(), into, removed, known);
    }

    private static Restored restore(SegmentArchive segments, String logId, SimulatedDisk into, long removed, long known)
            throws IOException {
        return new LogRestore(segments, into, DIRECTORY, PREFIX, "a test")
                .run(logId, removed, known, restored -> write(into, restored.last()));
    }

    private static void write(SimulatedDisk into, long last) throws IOException {
        try (var file = into.create(DIRECTORY.resolve(MARK))) {
            file.write(StandardCharsets.US_ASCII.encode("mark " + last), 0);
            file.force();
        }
    }

    /** Checks that the records of the log are those of the live log with these sequences. */
    private void assertHas(SimulatedDisk restored, long... sequences) throws IOException {
        List<LogRecord> records = readAll(restored);
        assertThat(records.stream().mapToLong(LogRecord::sequence)).containsExactly(toList(sequences));
        for (LogRecord record : records) {
            assertThat(same(record, entries.get((int) record.sequence() - 1)))
                    .as("record %d", record.sequence())
                    .isTrue();
        }
        assertThat(verify(restored).isComplete()).isTrue();
    }

    private static Long[] toList(long... sequences) {
        return Arrays.stream(sequences).boxed().toArray(Long[]::new);
    }

    private static long[] to(long last) {
        return LongStream.rangeClosed(1, last).toArray();
    }

    /** Starts the restored log, appends a record, and returns its sequence. */
    private static long continues(SimulatedDisk restored) throws IOException {
        SimulatedLog log = SimulatedLog.open(restored);
        long sequence = log.append(entry("next")).firstSequence;
        log.log.close();
        restored.kill();
        assertThat(verify(restored).isComplete()).isTrue();
        return sequence;
    }

    @Test
    void closedSegments_areRestoredWithTheirIdAndAMillionSequencesAreSkipped() throws IOException {
        String logId = archived(3);

        Restored restored = restore(disk);

        assertThat(restored.gaps()).isEmpty();
        assertThat(restored.records()).isEqualTo(restored.last());
        assertThat(restored.next()).isEqualTo(restored.last() + LogRestore.SKIPPED + 1);
        assertHas(disk, to(restored.last()));
        assertThat(logId(disk)).isEqualTo(logId);
        assertThat(disk.names()).containsAll(segments(live).subList(0, 3)).contains(MARK);
        assertThat(disk.names()).noneMatch(name -> name.contains("restoring"));
        assertThat(verify(disk).lost()).isZero();
        assertThat(verify(disk).skipped()).isEqualTo(LogRestore.SKIPPED);
        assertThat(continues(disk)).isEqualTo(restored.next());
        assertThat(continues(disk)).isEqualTo(restored.next() + 1);
    }

    @Test
    void sequencesThatTheLostLogIsKnownToHaveUsed_areSkippedToo() throws IOException {
        archived(2);

        Restored restored = restore(disk, 0, 5_000_000);

        assertThat(continues(disk)).isEqualTo(restored.next()).isEqualTo(6_000_001);
    }

    /** Checks that names mean nothing, that intact copies are chosen, and that other files are ignored. */
    @Test
    void namesCopiesAndOtherFiles_doNotMatter() throws IOException {
        archived(4);
        List<String> names = archive.names();
        byte[] first = archive.content(names.get(0));
        byte[] second = archive.content(names.get(1));
        archive.remove(names.get(0));
        archive.put("zzz", first);
        byte[] damaged = first.clone();
        damaged[SimulatedLog.HEADER_BYTES + 30] ^= 1;
        archive.put("a copy", damaged);
        archive.put("half", Arrays.copyOf(first, SimulatedLog.HEADER_BYTES + 450));
        archive.remove(names.get(1));
        archive.put("second.wal", gzipped(second));
        archive.put("second", Arrays.copyOf(gzipped(second), 300));
        archive.put("notes.txt", "nothing".getBytes(StandardCharsets.US_ASCII));
        archive.put("empty.wal", new byte[0]);

        Restored restored = restore(disk);

        assertThat(restored.gaps()).isEmpty();
        assertHas(disk, to(restored.last()));
        assertThat(segments(disk)).hasSize(4);
        continues(disk);
    }

    @Test
    void allCopiesDamaged_areMerged() throws IOException {
        archived(2);
        String name = archive.names().get(0);
        byte[] content = archive.content(name);
        byte[] one = content.clone();
        one[SimulatedLog.HEADER_BYTES + 30] ^= 1;
        byte[] other = content.clone();
        other[content.length - 30] ^= 1;
        archive.put(name, one);
        archive.put("other", other);

        Restored restored = restore(disk);

        assertThat(restored.gaps()).isEmpty();
        assertHas(disk, to(restored.last()));
        assertThat(segments(disk)).hasSize(2);
        continues(disk);
    }

    @Test
    void missingAndDamagedRecords_areNamedAndDeclared() throws IOException {
        archived(5);
        List<String> names = archive.names();
        SegmentHeader missing = header(archive, names.get(2));
        SegmentHeader after = header(archive, names.get(3));
        archive.remove(names.get(2));
        byte[] damaged = archive.content(names.get(0));
        damaged[SimulatedLog.HEADER_BYTES + 30] ^= 1;
        archive.put(names.get(0), damaged);

        Restored restored = restore(disk);

        assertThat(restored.gaps())
                .extracting(Damage::firstMissing, Damage::lastMissing)
                .containsExactly(tuple(1L, 1L), tuple(missing.next(), after.first() - 1));
        assertThat(verify(disk).isComplete()).isTrue();
        assertThat(verify(disk).lost()).isEqualTo(1 + after.first() - missing.next());
        assertThat(disk.names()).noneMatch(name -> name.contains("broken"));
        assertThat(continues(disk)).isEqualTo(restored.next());
    }

    @Test
    void missingBeginning_isAGapOnlyAfterWhatWasRemoved() throws IOException {
        archived(4);
        SegmentHeader second = header(archive, archive.names().get(1));
        archive.remove(archive.names().get(0));

        assertThat(restore(disk, second.first() - 1, 0).gaps()).isEmpty();
        SimulatedDisk other = new SimulatedDisk(new Random(6));
        assertThat(restore(other, 1, 0).gaps())
                .extracting(Damage::firstMissing, Damage::lastMissing)
                .containsExactly(tuple(2L, second.first() - 1));
        assertThat(verify(other).isComplete()).isTrue();
        assertThat(continues(other)).isGreaterThan(LogRestore.SKIPPED);
    }

    /** Restores, continues, archives the new segments with the declaration, and restores once more. */
    @Test
    void restoredTwice_neverReusesASequenceAndTheFirstSkipIsNoGap() throws IOException {
        archived(2);
        long first = restore(disk).next();
        assertThat(continues(disk)).isEqualTo(first);
        SimulatedLog.open(disk).log.close();
        disk.kill();
        for (String name : disk.names()) {
            if (name.contains(".wal") || name.contains("-lost-")) {
                archive.put("later " + name, disk.content(name));
            }
        }
        SimulatedDisk again = new SimulatedDisk(new Random(6));

        Restored restored = restore(again);

        assertThat(restored.gaps()).isEmpty();
        assertThat(restored.lost()).isEmpty();
        assertThat(restored.last()).isEqualTo(first);
        assertThat(readAll(again)).hasSameSizeAs(readAll(disk));
        assertThat(verify(again).lost()).isZero();
        assertThat(verify(again).skipped()).isEqualTo(2 * LogRestore.SKIPPED);
        assertThat(continues(again)).isEqualTo(first + LogRestore.SKIPPED + 1);
    }

    @Test
    void declarationWithoutLaterRecords_isSkippedToo() throws IOException {
        archived(2);
        long first = restore(disk).next();
        archive.put("declared", disk.content("inbox-lost-1"));
        SimulatedDisk again = new SimulatedDisk(new Random(6));

        assertThat(restore(again).next()).isEqualTo(first + LogRestore.SKIPPED);
    }

    @Test
    void recordThatARepairDeclaredLost_isBackIfTheArchiveHasIt() throws IOException {
        String logId = archived(2);
        archive.put("lost", bytes(DeclaredLosses.encode(List.of(new Damage("gone", 0, 2, 2)), logId)));

        Restored restored = restore(disk);

        assertHas(disk, to(restored.last()));
    }

    private static byte[] bytes(ByteBuffer of) {
        byte[] bytes = new byte[of.remaining()];
        of.get(bytes);
        return bytes;
    }

    @Test
    void segmentsOfTwoLogs_areToldApart() throws IOException {
        String logId = archived(2);
        SimulatedDisk other = new SimulatedDisk(new Random(8));
        SimulatedLog log = SimulatedLog.open(other, SimulatedLog.options(), later());
        log.append(entry("other"));
        log.log.close();
        segments(other).forEach(name -> archive.put("other " + name, other.content(name)));

        SegmentArchive segments = SegmentArchive.read(archive, Path.of("archive"));

        assertThat(segments.logs())
                .extracting(ArchivedLog::logId)
                .containsExactlyInAnyOrder(logId, logId(other))
                .doesNotHaveDuplicates();
        Restored restored = restore(segments, logId, disk, 0, 0);
        assertHas(disk, to(restored.last()));
    }

    private static Clock later() {
        Clock clock = new Clock();
        clock.advance(Duration.ofHours(1));
        return clock;
    }

    @Test
    void directoryWithAnyFile_isRefusedAndUnchanged() throws IOException {
        archived(2);
        disk.put("notes", new byte[1]);

        assertThatThrownBy(() -> restore(disk)).hasMessageContaining("is not empty, it contains notes");

        assertThat(disk.names()).containsExactly("notes");
    }

    @Test
    void directoryInUse_isRefused() throws IOException {
        archived(2);
        disk.lock(Path.of("lock"), "process 1");

        assertThatThrownBy(() -> restore(disk)).isInstanceOf(LogLockedException.class);
    }

    @Test
    void diskTooSmall_isRefusedBeforeAnythingIsWritten() throws IOException {
        archived(2);
        disk.setUsableBytes(1_000);

        assertThatThrownBy(() -> restore(disk)).hasMessageContaining("only 1000 are free");

        assertThat(disk.names()).isEmpty();
    }

    /** Checks that after any fault no log can be opened, or the complete one, and that another run completes it. */
    @ParameterizedTest
    @EnumSource(Fault.class)
    void everyOperation_failing_leavesNoLogOrTheCompleteOne(Fault fault) throws IOException {
        archived(4);
        String name = archive.names().get(1);
        archive.put("copy", archive.content(name)); // and the first one is damaged
        byte[] damaged = archive.content(archive.names().get(0));
        damaged[damaged.length - 30] ^= 1;
        archive.put(archive.names().get(0), damaged);
        long[] expected = sequences(restored());

        boolean reached = true;
        for (int n = 0; reached; n += SimulatedLog.EACH) {
            SimulatedDisk into = new SimulatedDisk(new Random(n));
            into.failOperation(n, fault);
            boolean ended = false;
            try {
                restore(into);
                ended = true;
            } catch (SimulatedDisk.Killed | IOException e) {
                assertThat(into.faultHappened()).isTrue();
            }
            reached = into.faultHappened();
            assertThat(ended && reached).isFalse();
            if (n % 2 == 0) {
                into.losePower();
            } else {
                into.kill();
            }
            assertNoLogOr(into, expected);
            if (!hasLog(into)) {
                restore(into);
            }
            assertHas(into, expected);
            assertThat(continues(into)).isGreaterThan(LogRestore.SKIPPED);
        }
    }

    private SimulatedDisk restored() throws IOException {
        SimulatedDisk into = new SimulatedDisk(new Random(9));
        restore(into);
        return into;
    }

    private static long[] sequences(SimulatedDisk of) throws IOException {
        return readAll(of).stream().mapToLong(LogRecord::sequence).toArray();
    }

    private static boolean hasLog(SimulatedDisk into) {
        return into.names().contains(MARK) && !into.names().contains("inbox.restoring");
    }

    private void assertNoLogOr(SimulatedDisk into, long... expected) throws IOException {
        SimulatedDisk copy = into.copy();
        if (into.names().contains("inbox.restoring")) {
            assertThatThrownBy(() -> SimulatedLog.open(copy)).hasMessageContaining("has not finished");
            assertThat(copy.names()).isEqualTo(into.names());
        } else if (hasLog(into)) {
            assertHas(copy, expected);
        } else {
            assertThat(into.names()).allMatch(name -> name.startsWith("inbox-opening-"));
        }
    }

    /** Damages, truncates and removes segments of the live log, and repairs it from the archive, killed at any step. */
    @Test
    void repair_damagedAndMissingSegments_areTakenFromTheArchive() throws IOException {
        archived(6);
        List<String> segments = segments(live);
        List<LogRecord> complete = readAll(live);
        SimulatedLog.flip(live, segments.get(0), SimulatedLog.HEADER_BYTES + 30);
        SimulatedLog.destroyHeader(live, segments.get(1));
        live.remove(segments.get(2));
        live.remove(segments.get(3));
        live.put(segments.get(4), Arrays.copyOf(live.content(segments.get(4)), SimulatedLog.HEADER_BYTES + 10));
        String fourth = archive.names().get(3);
        archive.put("copy.gz", gzipped(archive.content(fourth)));
        archive.remove(fourth);
        assertThat(verify(live).isComplete()).isFalse();

        assertTakenWhereverItIsInterrupted(complete);
    }

    private void assertTakenWhereverItIsInterrupted(List<LogRecord> complete) throws IOException {
        boolean reached = true;
        for (int n = 0; reached; n += SimulatedLog.EACH) {
            SimulatedDisk copy = live.copy();
            copy.failOperation(n, List.of(Fault.values()).get(n % Fault.values().length));
            try {
                repairFrom(copy);
            } catch (SimulatedDisk.Killed | IOException e) {
                assertThat(copy.faultHappened()).isTrue();
            }
            reached = copy.faultHappened();
            if (n % 2 == 0) {
                copy.losePower();
            } else {
                copy.kill();
            }
            LogRepair.Repair repair = repairFrom(copy);
            assertThat(repair.lost()).as("operation %d", n).isEmpty();
            assertThat(readAll(copy)).hasSameSizeAs(complete).zipSatisfy(complete, (actual, expected) -> {
                assertThat(actual.sequence()).isEqualTo(expected.sequence());
                assertThat(same(actual, expected.entry())).isTrue();
            });
            assertThat(verify(copy).isComplete()).isTrue();
            assertThat(copy.names()).anyMatch(name -> name.endsWith(".broken"));
        }
    }

    private LogRepair.Repair repairFrom(SimulatedDisk damaged) throws IOException {
        return new LogRepair(damaged, DIRECTORY, PREFIX, "a test")
                .run(SegmentArchive.read(archive, Path.of("archive")));
    }

    @Test
    void repair_archivedCopyIsDamagedToo_declaresTheLoss() throws IOException {
        archived(3);
        SimulatedLog.flip(live, segments(live).get(0), SimulatedLog.HEADER_BYTES + 30);
        SimulatedLog.flip(archive, archive.names().get(0), SimulatedLog.HEADER_BYTES + 30);

        LogRepair.Repair repair = repairFrom(live);

        assertThat(repair.taken()).isEmpty();
        assertThat(repair.notTaken())
                .containsExactly(new LogRepair.Repair.NotTaken(segments(live).get(0), true));
        assertThat(repair.missing()).isEqualTo(1);
    }

    /**
     * Damages, cuts off and removes segments of which the archive has no perfect copies either, as of a log that is
     * archived while it grows.
     */
    @Test
    void repair_archivedCopiesAreDamagedElsewhereOrEndEarlier_theRecordsOfBothAreKept() throws IOException {
        archived(3);
        SimulatedLog open = SimulatedLog.open(live);
        for (int i = 0; i < 4; i++) {
            append(open, entry(entries.size(), 400));
        }
        live.kill();
        List<String> segments = segments(live);
        List<LogRecord> complete = readAll(live);
        String newest = segments.get(segments.size() - 1);
        byte[] growing = live.content(newest);
        archive.put("growing", Arrays.copyOf(growing, (int) SimulatedLog.offsetOf(live, entries.size()) + 20));
        SimulatedLog.flip(live, newest, SimulatedLog.offsetOf(live, entries.size() - 2) + 20);
        SimulatedLog.flip(live, segments.get(0), SimulatedLog.HEADER_BYTES + 30);
        String first = archive.names().stream()
                .filter(name -> name.startsWith(segments.get(0).replace(".wal", "")))
                .findFirst()
                .orElseThrow();
        SimulatedLog.flip(archive, first, live.content(segments.get(0)).length - 30);
        byte[] second = live.content(segments.get(1));
        long lastOfSecond = header(live, segments.get(2)).next() - 1;
        live.put(segments.get(1), Arrays.copyOf(second, (int) SimulatedLog.offsetOf(live, lastOfSecond)));
        assertThat(verify(live).missing()).isEqualTo(3);

        assertTakenWhereverItIsInterrupted(complete);
    }

    @Test
    void repair_newestSegmentHasNoHeader_isTakenFromTheArchiveByItsName() throws IOException {
        archived(2);
        List<LogRecord> complete = readAll(live);
        String newest = segments(live).get(2);
        archive.put("growing", live.content(newest));
        SimulatedLog.destroyHeader(live, newest);
        assertThat(verify(live).isComplete()).isFalse();

        assertTakenWhereverItIsInterrupted(complete);
    }

    @Test
    void repair_missingSegmentEndsEarlierInTheArchive_onlyTheRestIsLost() throws IOException {
        archived(3);
        String second = segments(live).get(1);
        long last = header(live, segments(live).get(2)).next() - 1;
        String name = archive.names().get(1);
        archive.put(name, Arrays.copyOf(archive.content(name), (int) SimulatedLog.offsetOf(live, last) + 20));
        live.remove(second);

        LogRepair.Repair repair = repairFrom(live);

        assertThat(repair.taken()).extracting(LogRepair.Repair.Taken::segment).containsExactly(second);
        assertThat(repair.missing()).isEqualTo(1);
        assertThat(repair.lost().get(0).firstMissing()).isEqualTo(last);
    }

    @Test
    void repair_nothingIsDamaged_doesNotOpenTheArchive() throws IOException {
        archived(2);

        LogRepair.Repair repair = new LogRepair(live, DIRECTORY, PREFIX, "a test").run(intact -> {
            throw new AssertionError("there is nothing to take");
        });

        assertThat(repair.isNeeded()).isFalse();
    }

    @Test
    void repair_asksForCopiesOfTheDamagedSegmentsOnly() throws IOException {
        archived(4);
        List<String> segments = segments(live);
        String missing = header(live, segments.get(2)).id();
        String damaged = header(live, segments.get(0)).id();
        List<String> intact = List.of(
                header(live, segments.get(1)).id(),
                header(live, segments.get(3)).id(),
                header(live, segments.get(4)).id());
        SimulatedLog.flip(live, segments.get(0), SimulatedLog.HEADER_BYTES + 30);
        live.remove(segments.get(2));
        LogRepair repair = new LogRepair(live, DIRECTORY, PREFIX, "a test");

        assertThat(repair.wanted())
                .containsOnly(Map.entry(damaged, segments.get(0)), Map.entry(missing, segments.get(2)));
        LogRepair.Repair done = repair.run(ids -> {
            assertThat(ids).containsExactlyInAnyOrderElementsOf(intact);
            return SegmentArchive.read(new SimulatedDisk(new Random(1)), Path.of("archive"));
        });

        assertThat(done.notTaken())
                .containsExactlyInAnyOrder(
                        new LogRepair.Repair.NotTaken(segments.get(0), false),
                        new LogRepair.Repair.NotTaken(segments.get(2), false));
    }

    /** Restores random archives: any subset of the segments, as any number of copies, some damaged, under any names. */
    @Test
    void randomArchives_everyArchivedRecordIsThereAndEverythingElseIsDeclared() throws IOException {
        archived(8);
        Map<String, byte[]> all = new TreeMap<>();
        archive.names().forEach(name -> all.put(name, archive.content(name)));
        all.keySet().forEach(archive::remove);
        for (int seed = 0; seed < 300; seed++) {
            Random random = new Random(seed);
            Set<Long> inArchive = new HashSet<>();
            SimulatedDisk chosen = new SimulatedDisk(random);
            for (Map.Entry<String, byte[]> segment : all.entrySet()) {
                int copies = random.nextInt(3);
                boolean isIntact = false;
                for (int i = 0; i < copies; i++) {
                    byte[] content = segment.getValue().clone();
                    boolean damaged = random.nextInt(3) == 0;
                    if (damaged) {
                        content[
                                        SimulatedLog.HEADER_BYTES
                                                + random.nextInt(content.length - SimulatedLog.HEADER_BYTES)] ^=
                                (byte) (1 << random.nextInt(8));
                    }
                    isIntact |= !damaged;
                    chosen.put(
                            Integer.toHexString(random.nextInt()) + (random.nextBoolean() ? ".wal" : ""),
                            random.nextBoolean() ? gzipped(content) : content);
                }
                if (isIntact) {
                    inArchive.addAll(recordsOf(segment.getValue()));
                }
            }
            if (chosen.names().isEmpty()) {
                continue;
            }
            SimulatedDisk into = new SimulatedDisk(random);
            SegmentArchive segments = SegmentArchive.read(chosen, Path.of("archive"));
            Restored restored = restore(segments, segments.logs().get(0).logId(), into, 0, 0);
            List<Long> found = new ArrayList<>();
            for (LogRecord record : readAll(into)) {
                found.add(record.sequence());
                assertThat(same(record, entries.get((int) record.sequence() - 1)))
                        .isTrue();
            }
            assertThat(found).as("seed %d", seed).containsAll(inArchive);
            for (long sequence = 1; sequence <= restored.last(); sequence++) {
                long asked = sequence;
                assertThat(found.contains(asked)
                                || restored.gaps().stream()
                                        .anyMatch(gap -> gap.firstMissing() <= asked && asked <= gap.lastMissing()))
                        .as("seed %d: record %d", seed, asked)
                        .isTrue();
            }
            assertThat(verify(into).isComplete()).isTrue();
            assertThat(continues(into)).as("seed %d", seed).isEqualTo(restored.next());
            assertThat(readAll(into)).hasSize(found.size() + 1);
        }
    }

    private static List<Long> recordsOf(byte[] segment) throws IOException {
        SimulatedDisk one = new SimulatedDisk(new Random(0));
        one.put("inbox-20261120-0000000000000001.wal", segment);
        List<Long> sequences = new ArrayList<>();
        try (SegmentScan scan = SegmentScan.open(one, Path.of("inbox-20261120-0000000000000001.wal"))) {
            for (var next = scan.nextComplete(); next != null; next = scan.nextComplete()) {
                sequences.add(next.sequence());
            }
        }
        return sequences;
    }

    private static byte[] gzipped(byte[] content) throws IOException {
        ByteArrayOutputStream compressed = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(compressed)) {
            gzip.write(content);
        }
        return compressed.toByteArray();
    }
}
