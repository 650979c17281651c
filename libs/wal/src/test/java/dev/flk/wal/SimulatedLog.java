// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.Log.Append;
import dev.flk.wal.LogInspector.Verification;
import dev.flk.wal.LogOptions.LogSizes;
import dev.flk.wal.segment.Damage.OnDamage;
import dev.flk.wal.segment.Entry;
import dev.flk.wal.segment.LogReader;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.segment.SegmentHeader;
import dev.flk.wal.testing.SimulatedDisk;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** A log on a {@link SimulatedDisk}, stepped by the test, with a clock that the test sets. */
final class SimulatedLog {
    static final Path DIRECTORY = Path.of("log");
    static final String PREFIX = "inbox";
    /** The length of a header that repeats no records. */
    static final int HEADER_BYTES = 2 * SegmentHeader.BLOCK_BYTES;

    /**
     * The distance between the bytes that a test damages, or the operations that it fails, in turn. It is odd, so that
     * each of two alternating endings follows all of them. The thorough build takes every one.
     */
    static final int EACH = Integer.getInteger("flk.each", 3);

    static final LogSizes SIZES = LogSizes.usual().withFillAhead(0);

    final SimulatedDisk disk;
    final Log log;
    final Clock clock;

    static final class Clock {
        long millis = Instant.parse("2026-11-20T10:00:00Z").toEpochMilli();

        void advance(Duration by) {
            millis += by.toMillis();
        }
    }

    /** An append that records its outcome. */
    static final class Recorded implements Append {
        final List<Entry> entries;
        long firstSequence = -1;
        IOException failure;

        Recorded(Entry... entries) {
            this.entries = List.of(entries);
        }

        @Override
        public List<Entry> entries() {
            return entries;
        }

        @Override
        public void forced(long first) {
            ensureOpen();
            firstSequence = first;
        }

        @Override
        public void failed(IOException cause) {
            ensureOpen();
            failure = cause;
        }

        private void ensureOpen() {
            if (firstSequence >= 0 || failure != null) {
                throw new IllegalStateException("told twice how it ended");
            }
        }

        boolean acknowledged() {
            return firstSequence >= 0;
        }
    }

    private SimulatedLog(SimulatedDisk disk, Log log, Clock clock) {
        this.disk = disk;
        this.log = log;
        this.clock = clock;
    }

    static LogOptions options() {
        return options(SIZES);
    }

    static LogOptions options(LogSizes sizes) {
        return LogOptions.of(DIRECTORY, PREFIX, "policy-1").with(sizes);
    }

    static SimulatedLog open(SimulatedDisk disk) throws IOException {
        return open(disk, options(), new Clock());
    }

    static SimulatedLog open(SimulatedDisk disk, LogOptions options, Clock clock) throws IOException {
        return open(disk, options, clock, LogListener.NONE);
    }

    static SimulatedLog open(SimulatedDisk disk, LogOptions options, Clock clock, LogListener listener)
            throws IOException {
        Log log = Log.open(
                disk,
                options,
                listener,
                () -> Instant.ofEpochMilli(clock.millis),
                () -> clock.millis * 1_000_000,
                new Random(clock.millis ^ disk.names().size()));
        return new SimulatedLog(disk, log, clock);
    }

    /** Appends entries as one group. */
    Recorded append(Entry... entries) {
        Recorded append = new Recorded(entries);
        if (!log.append(append)) {
            throw new IllegalStateException("refused");
        }
        log.step();
        return append;
    }

    static Entry entry(String body) {
        return new Entry('s', "k1", 1_700_000_000_000L, body.getBytes(StandardCharsets.UTF_8));
    }

    static Entry entry(int seed, int bytes) {
        byte[] body = new byte[bytes];
        new Random(seed).nextBytes(body);
        return new Entry((char) ('a' + seed % 26), "key-" + seed % 3, 1_700_000_000_000L + seed, body);
    }

    static List<LogRecord> readAll(SimulatedDisk disk) throws IOException {
        return readAll(disk, 1);
    }

    static List<LogRecord> readAll(SimulatedDisk disk, long from) throws IOException {
        return drain(LogReader.open(disk, DIRECTORY, PREFIX, from, OnDamage.STOP));
    }

    /** Returns all readable records, including those after damage. */
    static List<LogRecord> readSkipping(SimulatedDisk disk) throws IOException {
        return drain(LogReader.open(disk, DIRECTORY, PREFIX, 1, OnDamage.SKIP));
    }

    private static List<LogRecord> drain(LogReader open) throws IOException {
        List<LogRecord> records = new ArrayList<>();
        try (LogReader reader = open) {
            for (LogRecord record = reader.next(); record != null; record = reader.next()) {
                records.add(record);
            }
        }
        return records;
    }

    /** Returns the offset of a record in its file. */
    static long offsetOf(SimulatedDisk disk, long sequence) throws IOException {
        return readSkipping(disk).stream()
                .filter(record -> record.sequence() == sequence)
                .mapToLong(record -> record.position().offset())
                .findFirst()
                .orElseThrow();
    }

    static LogInspector inspector(SimulatedDisk disk) {
        return new LogInspector(disk, DIRECTORY, PREFIX);
    }

    static Verification verify(SimulatedDisk disk) throws IOException {
        return inspector(disk).verify();
    }

    /**
     * Returns a retention that compresses segments after a day and keeps them for {@code keep}, whatever their context.
     */
    static Retention retention(SimulatedDisk disk, Duration keep, Clock clock) {
        return new Retention(
                disk, DIRECTORY, PREFIX, Duration.ofDays(1), context -> keep, () -> Instant.ofEpochMilli(clock.millis));
    }

    /** Returns the last {@code .wal} file, by name, that is not empty. */
    static String newest(SimulatedDisk disk) {
        return disk.names().stream()
                .filter(name -> name.endsWith(".wal") && disk.content(name).length > 0)
                .reduce((earlier, later) -> later)
                .orElseThrow();
    }

    static void flip(SimulatedDisk disk, String name, long at) {
        byte[] content = disk.content(name);
        content[(int) at] ^= 1;
        disk.put(name, content);
    }

    /** Destroys both copies of the lines in a segment's header. */
    static void destroyHeader(SimulatedDisk disk, String name) {
        byte[] content = disk.content(name);
        String text = new String(content, StandardCharsets.ISO_8859_1);
        Arrays.fill(content, 20, text.lastIndexOf("\nchecksum ") + 20, (byte) 0);
        disk.put(name, content);
    }

    static List<String> bodies(List<LogRecord> records) {
        return records.stream()
                .map(record -> new String(record.body(), StandardCharsets.UTF_8))
                .toList();
    }

    static boolean same(LogRecord record, Entry entry) {
        return record.kind() == entry.kind()
                && record.keyId().equals(entry.keyId())
                && record.arrivalMillis() == entry.arrivalMillis()
                && Arrays.equals(record.body(), entry.body());
    }
}
