// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.metrics.Meters;
import dev.flk.wal.Append;
import dev.flk.wal.Entry;
import dev.flk.wal.FileOps;
import dev.flk.wal.Log;
import dev.flk.wal.LogOptions;
import dev.flk.wal.LogReader;
import dev.flk.wal.OnDamage;
import dev.flk.wal.Retention;
import java.io.IOException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.random.RandomGenerator;

/**
 * The inbox log with its low-water mark: puts submissions, evidence and overruled outcomes into the log, and hands what the end of
 * a force means to the recorder. Whoever opened it owns its directory until it is closed.
 */
public final class Inbox implements AutoCloseable {
    /** What the names of the log's segments begin with. */
    public static final String SEGMENT_PREFIX = "inbox";

    private final LogOptions options;
    private final Log log;
    private final LowWater lowWater;
    private final ForcedGroups groups;
    private final DiskFloor floor;

    private Inbox(LogOptions options, Log log, ForcedGroups groups, DiskFloor floor) {
        this.options = options;
        this.log = log;
        this.lowWater = new LowWater(log.forcedEnd() - 1);
        this.groups = groups;
        this.floor = floor;
    }

    /**
     * Opens the log; nothing runs yet.
     *
     * @param options its context is that of the {@link DecisionRules} in force
     * @param minFreeBytes with less than this left on the disk, nothing new is to be taken
     * @param nanoTicker monotonic time
     * @param random for the ids of segments
     * @throws IOException if the log is in use, damaged, or can't be read or written
     */
    public static Inbox open(
            LogOptions options,
            long minFreeBytes,
            FileOps files,
            InstantSource clock,
            LongSupplier nanoTicker,
            RandomGenerator random,
            Meters meters)
            throws IOException {
        ForcedGroups groups = new ForcedGroups();
        Log log = Log.open(files, options, new LogEvents(groups, meters), clock, nanoTicker, random);
        return new Inbox(options, log, groups, new DiskFloor(files, options.directory(), minFreeBytes, nanoTicker));
    }

    /** What looks after this log's closed segments. */
    Retention retention(FileOps files, Duration compressAfter, Duration keep, InstantSource clock) {
        return new Retention(files, options.directory(), options.prefix(), compressAfter, keep, clock);
    }

    /** Whether the disk has less left than must stay free; else {@code bytes} will be taken. */
    boolean isDiskLow(long bytes) {
        return floor.isBelow(bytes);
    }

    /** Starts the log's threads. */
    void start() {
        log.start();
    }

    /** One step of the log's writer, before it was started or in a simulation. */
    boolean step() {
        return log.step();
    }

    boolean isWriting() {
        return log.isWriting();
    }

    LowWater lowWater() {
        return lowWater;
    }

    ForcedGroups groups() {
        return groups;
    }

    /** The sequence of the last record that is on disk. */
    long last() {
        return log.forcedEnd() - 1;
    }

    LogReader read(long from) throws IOException {
        return log.read(from, OnDamage.STOP);
    }

    /**
     * Logs submissions in one go; they reach the recorder once they are on disk.
     *
     * @param failed called on the recorder's thread with all of them if they did not
     * @return false if the log takes nothing now; then nothing happens
     */
    boolean append(List<Flight> flights, BiConsumer<List<Flight>, IOException> failed) {
        List<Entry> entries = flights.stream().map(Flight::takeEntry).toList();
        return log.append(new Append() {
            @Override
            public List<Entry> entries() {
                return entries;
            }

            @Override
            public void forced(long firstSequence) {
                long last = firstSequence + flights.size() - 1;
                LowWater.Group group = lowWater.opened(last, flights.get(0).arrivalMillis(), flights.size());
                for (int i = 0; i < flights.size(); i++) {
                    flights.get(i).logged(firstSequence + i, group);
                }
                groups.forced(flights);
            }

            @Override
            public void failed(IOException cause) {
                groups.other(() -> failed.accept(flights, cause));
            }
        });
    }

    /**
     * Logs a record that needs no decision. It counts as unfinished until {@code finish} is run.
     *
     * @param forced called on the recorder's thread once it is on disk, with what finishes it
     * @param failed called there if it is not
     * @return false if the log takes nothing now; then nothing is called
     */
    boolean append(Entry entry, Consumer<Runnable> forced, Consumer<IOException> failed) {
        return log.append(new Append() {
            @Override
            public List<Entry> entries() {
                return List.of(entry);
            }

            @Override
            public void forced(long firstSequence) {
                LowWater.Group group = lowWater.opened(firstSequence, entry.arrivalMillis(), 1);
                groups.other(() -> forced.accept(() -> lowWater.finished(group)));
            }

            @Override
            public void failed(IOException cause) {
                groups.other(() -> failed.accept(cause));
            }
        });
    }

    /** Takes nothing more, finishes what is queued, and gives the directory back. Idempotent. */
    @Override
    public void close() throws IOException {
        log.close();
    }
}
