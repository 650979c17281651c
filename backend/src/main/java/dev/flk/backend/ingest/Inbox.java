// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.ingest.InFlightIds.InFlight;
import dev.flk.backend.metrics.Meters;
import dev.flk.wal.Damage;
import dev.flk.wal.Damage.OnDamage;
import dev.flk.wal.Entry;
import dev.flk.wal.FileOps;
import dev.flk.wal.Log;
import dev.flk.wal.Log.Append;
import dev.flk.wal.LogOptions;
import dev.flk.wal.LogReader;
import dev.flk.wal.LogRecord;
import dev.flk.wal.Retention;
import dev.flk.wal.Vanished;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The inbox log with its low-water mark: puts submissions, evidence and overruled outcomes into the log, and hands what the end of
 * a force means to the recorder. It owns its directory until it is closed.
 */
public final class Inbox implements AutoCloseable {
    /** What the names of the log's segments begin with. */
    public static final String SEGMENT_PREFIX = "inbox";

    /** Beside the segments: how far the log is decided. */
    public static final String MARK_FILE = Checkpoint.FILE;

    /** A start reads this much of the log, the newest, even if all of it is decided: it does not go on behind damage. */
    private static final long CHECKED_BYTES = 256L << 20;

    /** By how much the clocks of those who share a store may differ when something counts as expired for all of them. */
    private static final Duration CLOCKS_APART = Duration.ofDays(1);

    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.ingest");

    private final LogOptions options;
    private final Log log;
    private final LowWater lowWater;
    private final ForcedQueue groups;
    private final DiskFloor floor;
    private final Checkpoint kept;
    private final Set<Damage> warned = ConcurrentHashMap.newKeySet();
    private final long lastAtStart;

    /** What stood in the log at the start and may not be decided; null once it is. */
    private LowWater.@Nullable Group before;

    private Inbox(LogOptions options, Log log, ForcedQueue groups, DiskFloor floor, Checkpoint kept) {
        this.options = options;
        this.log = log;
        this.kept = kept;
        this.lastAtStart = log.forcedEnd() - 1;
        this.lowWater = new LowWater(Math.min(kept.mark(), lastAtStart));
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
     * @param idInStore whose log the store belongs to, asked only where the log does not know its own id
     * @throws IOException if the log is in use, damaged, or can't be read or written
     */
    public static Inbox open(
            LogOptions options,
            long minFreeBytes,
            FileOps files,
            InstantSource clock,
            LongSupplier nanoTicker,
            RandomGenerator random,
            Supplier<Optional<String>> idInStore,
            Meters meters)
            throws IOException {
        ForcedQueue groups = new ForcedQueue(meters);
        Log log = Log.open(files, options, groups, clock, nanoTicker, random);
        log.startReport().warnings().forEach(warning -> LOG.warn("{}", warning));
        try {
            DiskFloor floor = new DiskFloor(files, options.directory(), minFreeBytes, nanoTicker);
            Checkpoint kept = keptMark(log, files, random, idInStore);
            long known = kept.decided();
            if (kept.endsWith(log.forcedEnd() - 1)) {
                LOG.error(
                        "the log ends at record {}, it was known to go to record {} at least: its end is missing",
                        log.forcedEnd() - 1,
                        known);
            }
            Inbox inbox = new Inbox(options, log, groups, floor, kept);
            return Vanished.retry(() -> {
                inbox.readUndecided();
                return inbox;
            });
        } catch (IOException | RuntimeException e) {
            try {
                log.close();
            } catch (IOException suppressed) {
                e.addSuppressed(suppressed);
            }
            throw e;
        }
    }

    /** Without one the log is taken as it begins, which is how an operator says that what is gone is gone for good. */
    private static Checkpoint keptMark(
            Log log, FileOps files, RandomGenerator random, Supplier<Optional<String>> idInStore) throws IOException {
        Optional<Checkpoint> kept = Checkpoint.find(files, log.directory());
        if (kept.isPresent()) {
            return kept.get();
        }
        try (LogReader reader = log.read(1, OnDamage.STOP)) {
            long removed = reader.beginning() - 1;
            if (removed > 0) {
                LOG.warn(
                        "the log begins with record {}, and without {} nobody can tell whether the records before it were"
                                + " removed by the retention; they count as removed",
                        removed + 1,
                        Checkpoint.FILE);
            }
            return Checkpoint.make(files, log.directory(), random, idInStore.get(), removed);
        }
    }

    /** What is behind the kept mark is pending until it was asserted. */
    private void readUndecided() throws IOException {
        long mark = lowWater.mark();
        int submissions = 0;
        long arrivalMillis = Long.MAX_VALUE;
        // what the retention removed may be put back, in whatever state
        long from = Math.max(kept.removed() + 1, Math.min(mark + 1, log.beginningOfLast(CHECKED_BYTES)));
        try (LogReader reader = read(from)) {
            long beginning = reader.beginning();
            if (beginning > Math.max(kept.decided(), kept.removed()) + 1) {
                throw movedAway(beginning, kept.decided() + 1);
            }
            for (LogRecord record = reader.next(); record != null; record = reader.next()) {
                if (record.sequence() > mark && record.kind() == RecordKind.SUBMISSION) {
                    submissions++;
                    arrivalMillis = Math.min(arrivalMillis, record.arrivalMillis());
                }
            }
            warnOfAbsent(reader);
        }
        warnOfGaps();
        if (lastAtStart > mark) {
            before = lowWater.opened(lastAtStart, arrivalMillis, Math.max(1, submissions));
        }
    }

    /** Says which decided records are not there, at the beginning of the log or between segments; undecided ones stop a start. */
    private void warnOfGaps() {
        try {
            for (Damage absent : log.absent(kept.removed() + 1)) {
                if (absent.lastMissing() <= kept.decided()) {
                    warnOf(absent);
                }
            }
        } catch (IOException e) {
            LOG.warn(
                    "which decided records are missing could not be found out: {}; 'wal verify' tells", e.getMessage());
        }
    }

    private void warnOf(Damage absent) {
        if (warned.add(absent)) {
            LOG.warn(
                    "{}; it was moved away. All of it is decided, and the log goes on without it; but the dedup store can't be"
                            + " rebuilt without it: put it back",
                    absent.describe());
        }
    }

    private static String range(long first, long last) {
        return first == last ? "record " + first : "records " + first + " to " + last + " (" + (last - first + 1) + ")";
    }

    /**
     * A record that is not there any more and that a store lacks must not be passed over in silence.
     *
     * @param beginning the first record that there is from {@code from} on
     * @param nowMillis what has expired by then is not missed
     * @throws IOException if the log begins later than it should
     */
    void requireBeginning(long beginning, long from, long nowMillis) throws IOException {
        if (beginning > Math.max(from, needlessUpTo(nowMillis) + 1)) {
            throw movedAway(beginning, from);
        }
    }

    private static IOException movedAway(long beginning, long from) {
        return new IOException("the log is too short for the dedup store: it begins with record " + beginning
                + ", and the store lacks " + range(from, beginning - 1)
                + "; put the segments back that were moved away; if they are gone for good, remove " + Checkpoint.FILE
                + " in the log's directory and start again, to go on with what is left");
    }

    /** Everything up to here was removed past its retention, or has expired by now, whatever rules it was decided by. */
    private long needlessUpTo(long nowMillis) throws IOException {
        List<Log.Opening> openings = log.openings();
        Duration longest = DecisionRules.dedupTtlOf(options.context());
        for (Log.Opening opening : openings) {
            Duration ttl = DecisionRules.dedupTtlOf(opening.context());
            longest = ttl.compareTo(longest) > 0 ? ttl : longest;
        }
        long needless = kept.removed();
        for (Log.Opening opening : openings) {
            if (nowMillis - opening.openedMillis() >= longest.plus(CLOCKS_APART).toMillis()) {
                needless = Math.max(needless, opening.first() - 1);
            }
        }
        return needless;
    }

    /** What stood in the log at the start is decided and recorded. */
    void decidedBefore() {
        if (before != null) {
            lowWater.finishedAll(before);
            before = null;
        }
    }

    /** Everything up to this sequence was decided at some time. */
    long decided() {
        return kept.decided();
    }

    /** Keeps the mark, and that everything up to {@code removed} is about to be removed; durable when it returns. */
    void keepRemoved(long removed) throws IOException {
        log.requireOwned();
        kept.keepRemoved(lowWater, removed);
    }

    /** Whose log it is, 32 hex digits: a shared store keeps a position for it. */
    public String logId() {
        return kept.logId();
    }

    /**
     * Keeps the low-water mark, lower or higher than it was kept before; durable when it returns.
     *
     * @throws IOException if that failed
     */
    void keepMark() throws IOException {
        log.requireOwned();
        kept.keep(lowWater);
    }

    /** What looks after this log's closed segments. */
    Retention retention(FileOps files, Duration compressAfter, Duration keep, InstantSource clock) {
        return new Retention(files, options.directory(), options.prefix(), compressAfter, kept(keep), clock);
    }

    /** For how long records are kept: the retention, or as long as what they were decided to be stands, if that is longer. */
    static Function<String, Duration> kept(Duration retention) {
        return context -> {
            Duration ttl = DecisionRules.dedupTtlOf(context);
            return ttl.compareTo(retention) > 0 ? ttl : retention;
        };
    }

    /** Up to which sequence records were removed past their retention; empty where the log of a directory does not tell. */
    public static OptionalLong removedUpTo(FileOps files, Path directory) throws IOException {
        return Checkpoint.find(files, directory)
                .map(mark -> OptionalLong.of(mark.removed()))
                .orElse(OptionalLong.empty());
    }

    /** Whether the disk has less left than must stay free; else {@code bytes} will be taken. */
    boolean isDiskLow(long bytes) {
        return floor.isBelow(bytes);
    }

    /** Whether what is left on the disk is less than twice what must stay free. */
    boolean isDiskNearlyLow() {
        return floor.isNearlyBelow();
    }

    Log log() {
        return log;
    }

    LowWater lowWater() {
        return lowWater;
    }

    ForcedQueue groups() {
        return groups;
    }

    /** The sequence of the last record that is on disk. */
    long last() {
        return log.forcedEnd() - 1;
    }

    long lastAtStart() {
        return lastAtStart;
    }

    /** Reads from a sequence on. A segment that was moved away is skipped if everything in it was decided. */
    private LogReader read(long from) throws IOException {
        return log.read(from, OnDamage.STOP, kept.decided());
    }

    /**
     * Reads what a store lacks, from a sequence on: a segment that is not there can't be passed over, decided or not. Unless all of it
     * has expired, or the retention removed it, behind an older one that was moved away and put back.
     */
    LogReader readToAssert(long from, long nowMillis) throws IOException {
        return log.read(from, OnDamage.STOP, Math.max(from - 1, needlessUpTo(nowMillis)));
    }

    /** Says once of each segment that was passed over that it is not there. */
    private void warnOfAbsent(LogReader reader) {
        for (Damage absent : reader.absent()) {
            warnOf(absent);
        }
    }

    /** Before the log goes on without a segment that was moved away, {@code sync} is run and the mark is kept. */
    void syncWhenVanished(Runnable sync) {
        groups.whenVanished(() -> {
            sync.run();
            keepMark();
        });
    }

    /**
     * Logs submissions in one go; they reach the recorder once they are on disk.
     *
     * @param failed called on the recorder's thread with all of them if they did not
     * @return false if the log takes nothing now; then nothing happens
     */
    boolean append(List<InFlight> submissions, BiConsumer<List<InFlight>, IOException> failed) {
        List<Entry> entries = submissions.stream().map(InFlight::takeEntry).toList();
        return log.append(new Append() {
            @Override
            public List<Entry> entries() {
                return entries;
            }

            @Override
            public void forced(long firstSequence) {
                long last = firstSequence + submissions.size() - 1;
                LowWater.Group group = lowWater.opened(last, submissions.get(0).arrivalMillis(), submissions.size());
                for (int i = 0; i < submissions.size(); i++) {
                    submissions.get(i).logged(firstSequence + i, group);
                }
                groups.forced(submissions);
            }

            @Override
            public void failed(IOException cause) {
                groups.other(() -> failed.accept(submissions, cause));
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

    /** Finishes, and gives the directory back. Idempotent. */
    @Override
    public void close() throws IOException {
        log.close();
    }
}
