// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.inbox;

import dev.flk.backend.decide.DecisionRules;
import dev.flk.backend.decide.RecordKind;
import dev.flk.program.time.SteadyClock;
import dev.flk.view.LogFollower;
import dev.flk.wal.Log;
import dev.flk.wal.Log.Append;
import dev.flk.wal.LogArchive;
import dev.flk.wal.LogListener;
import dev.flk.wal.LogOptions;
import dev.flk.wal.LogRestore;
import dev.flk.wal.Retention;
import dev.flk.wal.files.FileOps;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.Damage.OnDamage;
import dev.flk.wal.segment.DeclaredLosses;
import dev.flk.wal.segment.Entry;
import dev.flk.wal.segment.LogId;
import dev.flk.wal.segment.LogReader;
import dev.flk.wal.segment.LogReader.LogWalk;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.segment.SegmentNames;
import dev.flk.wal.segment.Vanished;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The inbox log with its low-water mark. It appends submissions, evidence, overruled records and reviews to the log,
 * and tracks which of these records are finished. It owns the directory of the log until it is closed.
 */
public final class Inbox implements AutoCloseable {
    /** The prefix of the names of the log's segments. */
    public static final String SEGMENT_PREFIX = "inbox";

    /** The name of the checkpoint, the file next to the segments that stores how far the log is decided. */
    public static final String MARK_FILE = Checkpoint.FILE;

    /** The name of the file next to the segments that stores the time that the backend trusted last. */
    public static final String CLOCK_FILE = TrustedTime.FILE;

    /** The name of the file next to the segments that stores how far the log is archived. */
    public static final String ARCHIVED_FILE = LogArchive.file(SEGMENT_PREFIX);

    /**
     * The number of bytes at the end of the log that a start always reads, even if the records in them are decided, to
     * make sure that nothing is appended after damage.
     */
    private static final long CHECKED_BYTES = 256L << 20;

    /**
     * The largest expected difference between the clocks of backends that share a store. An outcome that expired this
     * long ago counts as expired for all these backends.
     */
    private static final Duration CLOCKS_APART = Duration.ofDays(1);

    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.ingest");

    private final LogOptions options;
    private final Log log;
    private final LowWater lowWater;
    private final DiskFloor floor;
    private final Checkpoint kept;
    private final TrustedTime trusted;
    private final Set<Damage> warned = ConcurrentHashMap.newKeySet();
    private final long lastAtStart;
    private volatile boolean isClosed;

    /**
     * The records after the low-water mark that were in the log at startup, as one group; null if there were no such
     * records, or once all these records are decided.
     */
    private LowWater.@Nullable Group before;

    private volatile Runnable beforeRelease = () -> {};

    private Inbox(LogOptions options, Log log, DiskFloor floor, Checkpoint kept, TrustedTime trusted) {
        this.options = options;
        this.log = log;
        this.kept = kept;
        this.trusted = trusted;
        this.lastAtStart = log.forcedEnd() - 1;
        this.lowWater = new LowWater(Math.min(kept.mark(), lastAtStart));
        this.floor = floor;
    }

    /**
     * Returns whether a directory has no log yet: neither segments nor what belongs to them. {@code wal init} makes a
     * directory that has a log without segments.
     */
    public static boolean isAbsent(FileOps files, Path directory) throws IOException {
        return files.status(directory).isEmpty() || isAbsent(files.list(directory));
    }

    /** Returns the same for an existing directory; {@code names} are the files in it. */
    public static boolean isAbsent(List<String> names) {
        return names.stream()
                .noneMatch(name -> name.equals(MARK_FILE)
                        || name.equals(LogId.file(SEGMENT_PREFIX))
                        || SegmentNames.isSegmentName(name, SEGMENT_PREFIX));
    }

    /**
     * Opens the log; starts no thread.
     *
     * @param options the options of the log; their context comes from the {@link DecisionRules} in force
     * @param minFreeBytes the free disk space below which new submissions are rejected
     * @param clock the time of arrivals, which this method compares with the time that the previous process trusted;
     *     nothing may have expired by it yet
     * @param nanoTicker monotonic time
     * @param random a source for the ids of segments and of the log
     * @param idInStore a supplier that returns the id of the log for which the store was written; called only if the
     *     checkpoint, which normally provides the id of the log, is missing or damaged
     * @param listener the listener of the log's writer
     * @throws IOException if the log is in use, is damaged, or can't be read or written
     */
    public static Inbox open(
            LogOptions options,
            long minFreeBytes,
            FileOps files,
            SteadyClock clock,
            LongSupplier nanoTicker,
            RandomGenerator random,
            Supplier<Optional<String>> idInStore,
            LogListener listener)
            throws IOException {
        Log log = Log.open(files, options, listener, clock, nanoTicker, random);
        log.startReport().warnings().forEach(warning -> LOG.warn("{}", warning));
        try {
            DiskFloor floor = new DiskFloor(files, options.directory(), minFreeBytes, nanoTicker);
            Checkpoint kept = keptMark(log, files, random, idInStore);
            long decided = kept.decided();
            if (kept.endsWith(log.forcedEnd() - 1)) {
                LOG.error(
                        "the log ends at record {}, but it once extended at least to record {}: the end of the log"
                                + " is missing",
                        log.forcedEnd() - 1,
                        decided);
            }
            Duration life = DecisionRules.dedupTtlOf(options.context());
            Inbox inbox =
                    new Inbox(options, log, floor, kept, new TrustedTime(files, options.directory(), clock, life));
            inbox.trusted.check(Vanished.retry(inbox::readUndecided));
            return inbox;
        } catch (IOException | RuntimeException e) {
            try {
                log.close();
            } catch (IOException suppressed) {
                e.addSuppressed(suppressed);
            }
            throw e;
        }
    }

    /**
     * Returns the checkpoint. If the checkpoint file is missing or damaged, creates a new one, which treats all records
     * before the first existing record of the log as removed. An operator can therefore delete the checkpoint file to
     * declare that these records are lost for good.
     */
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
                        "the log begins with record {}; {} is missing or damaged, so it is unknown whether the"
                                + " earlier records are lost or were removed after WAL_RETENTION; they are treated as"
                                + " removed",
                        removed + 1,
                        Checkpoint.FILE);
            }
            return Checkpoint.make(files, log.directory(), random, idInStore.get(), removed);
        }
    }

    /**
     * Reads the records after the saved mark, and at least the newest part of the log, and counts the submissions after
     * the mark. These submissions are pending until the store has caught up.
     *
     * @return the last record of the log
     */
    private Optional<LogRecord> readUndecided() throws IOException {
        long mark = lowWater.mark();
        int submissions = 0;
        long arrivalMillis = Long.MAX_VALUE;
        Optional<LogRecord> newest = Optional.empty();
        // records that the retention removed are not read even if their segment was put back, because such a segment
        // may be in any condition
        long from = Math.max(kept.removed() + 1, Math.min(mark + 1, log.beginningOfLast(CHECKED_BYTES)));
        try (LogReader reader = read(from)) {
            long beginning = reader.beginning();
            if (beginning > Math.max(kept.decided(), kept.removed()) + 1) {
                throw movedAway(beginning, kept.decided() + 1);
            }
            for (LogRecord record = reader.next(); record != null; record = reader.next()) {
                newest = Optional.of(record);
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
        return newest;
    }

    /**
     * Logs a warning for decided records that are missing at the beginning of the log or between segments. Missing
     * undecided records cause no warning here, because they make the start fail.
     */
    private void warnOfGaps() {
        try {
            for (Damage absent : log.absent(kept.removed() + 1)) {
                if (absent.lastMissing() <= kept.decided()) {
                    warnOf(absent);
                }
            }
        } catch (IOException e) {
            LOG.warn("could not determine whether decided records are missing: {}; run 'wal verify'", e.getMessage());
        }
    }

    private void warnOf(Damage absent) {
        if (warned.add(absent)) {
            LOG.warn(
                    "{}; it was moved away or removed. All its records are decided, so the log continues without it;"
                            + " but the dedup store can't be rebuilt without it: put it back if you have it",
                    absent.describe());
        }
    }

    private static String range(long first, long last) {
        return first == last ? "record " + first : "records " + first + " to " + last + " (" + (last - first + 1) + ")";
    }

    /**
     * Checks that no record whose outcome the store needs is missing at the beginning of the log. Without this check,
     * such records would be skipped silently.
     *
     * @param beginning the sequence of the first existing record that is not before {@code from}
     * @param from the first sequence whose outcome the store lacks
     * @param nowMillis the current time; a record may be missing if its outcome has expired by this time
     * @throws IOException if a needed record before {@code beginning} is missing
     */
    private void requireBeginning(long beginning, long from, long nowMillis) throws IOException {
        if (beginning > Math.max(from, needlessUpTo(nowMillis) + 1)) {
            throw movedAway(beginning, from);
        }
    }

    private static IOException movedAway(long beginning, long from) {
        return new IOException("the log is too short for the dedup store: it begins with record " + beginning
                + ", and the store lacks " + range(from, beginning - 1)
                + ". Put back the segments that were moved away. If they are lost for good, remove " + Checkpoint.FILE
                + " from the log's directory and start again; the backend then continues with the remaining records");
    }

    /**
     * Returns the sequence up to which no record is needed any more. A record is not needed if it was removed after its
     * retention, or if its outcome has expired. To be safe, an outcome counts as expired only after the longest {@code
     * DEDUP_TTL} of all segments plus {@link #CLOCKS_APART}.
     */
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

    /**
     * Returns the number of records from {@code first} to {@code last}, which are on disk, without the sequences that
     * repairs declared lost or restores skipped.
     */
    public long records(long first, long last) {
        return log.startReport().losses().notLost(first, last);
    }

    /** Returns the losses that repairs declared, and the ranges that restores skipped. */
    DeclaredLosses losses() {
        return log.startReport().losses();
    }

    /**
     * Returns a sentence for each end at which the log was restored, if outcomes of that time are still valid: what may
     * be missing, and what to do about it. Reads a segment for each.
     *
     * @throws IOException if the log can't be read
     */
    public List<String> restoreNotices(long nowMillis) throws IOException {
        List<String> notices = new ArrayList<>();
        List<Log.Opening> openings = log.openings();
        for (Damage skipped : losses().skips().from(1)) {
            for (int i = 1; i < openings.size(); i++) {
                Log.Opening before = openings.get(i - 1);
                Log.Opening after = openings.get(i);
                Duration life = DecisionRules.dedupTtlOf(before.context());
                if (before.next() <= skipped.firstMissing()
                        && after.next() > skipped.lastMissing()
                        && after.openedMillis() + life.toMillis() > nowMillis) {
                    notices.add(restoreNotice(skipped, before, after));
                }
            }
        }
        return notices;
    }

    private String restoreNotice(Damage skipped, Log.Opening last, Log.Opening after) throws IOException {
        long[] latestMillis = {last.openedMillis()};
        try (LogReader reader = log.read(last.first(), OnDamage.SKIP, kept.decided())) {
            LogRecord record = reader.next();
            while (record != null && record.sequence() < skipped.firstMissing()) {
                latestMillis[0] = Math.max(latestMillis[0], record.arrivalMillis());
                record = reader.next();
            }
        }
        long missing = Math.max(0, skipped.missing() - LogRestore.SKIPPED);
        String later = missing == 0
                ? "later records, if there were any, were"
                : "at least " + missing + (missing == 1 ? " later record was" : " later records were");
        // the order of sequences and of arrivals may differ by a second
        Instant since = Instant.ofEpochMilli(latestMillis[0] - 1_000).truncatedTo(ChronoUnit.SECONDS);
        Instant end = Instant.ofEpochMilli(after.openedMillis())
                .truncatedTo(ChronoUnit.SECONDS)
                .plusSeconds(1);
        return "the log was restored up to record " + (skipped.firstMissing() - 1) + "; " + later
                + " not archived. Certificates that arrived from " + since + " to " + end
                + " may lack outcomes: let each agent send them again, with 'flk-agent outbox requeue --since " + since
                + " --until " + end + "'";
    }

    /** Notes that the records that were in the log at startup are decided and recorded. */
    public void decidedBefore() {
        if (before != null) {
            lowWater.finishedAll(before);
            before = null;
        }
    }

    /**
     * Returns the sequence up to which everything was once decided and recorded, even if the store has lost some of it
     * since.
     */
    public long decided() {
        return kept.decided();
    }

    /**
     * Saves the low-water mark, together with the fact that all records up to {@code removed} are about to be removed.
     * Both are durable when this method returns.
     */
    void keepRemoved(long removed) throws IOException {
        log.requireOwned();
        kept.keepRemoved(lowWater, removed);
    }

    /** Returns whether the log is new: it never contained a record. */
    public boolean isNew() {
        return lastAtStart == 0 && kept.decided() == 0;
    }

    /** Returns the id of the log, 32 hex digits; a shared store keeps one position for each id. */
    public String logId() {
        return kept.logId();
    }

    /**
     * Saves the low-water mark, which may be lower or higher than the mark saved before. The change is durable when
     * this method returns.
     *
     * @throws IOException if that fails
     */
    public void keepMark() throws IOException {
        log.requireOwned();
        kept.keep(lowWater);
    }

    /**
     * Saves the time, if it is trusted, for the check of the clock at the next start. Does nothing if it was saved
     * minutes ago.
     *
     * @throws IOException if that fails
     */
    public void keepTime() throws IOException {
        log.requireOwned();
        trusted.keep(last());
    }

    /** Returns the {@link Retention} of this log, which compresses and removes closed segments. */
    Retention retention(FileOps files, Duration compressAfter, Duration keep, InstantSource clock) {
        return new Retention(files, options.directory(), options.prefix(), compressAfter, kept(keep), clock);
    }

    /**
     * Returns a function that maps the context of a segment to the time for which the records of the segment are kept.
     * This time is {@code retention} or the time for which the outcomes of these records are valid, whichever is
     * longer.
     */
    static Function<String, Duration> kept(Duration retention) {
        return context -> {
            Duration ttl = DecisionRules.dedupTtlOf(context);
            return ttl.compareTo(retention) > 0 ? ttl : retention;
        };
    }

    /**
     * The content of {@code inbox.mark}.
     *
     * @param removed the sequence up to which records may be missing, usually because they were removed after their
     *     retention
     * @param decided the sequence up to which records were decided at some time
     * @param mark the sequence up to which records are decided and recorded in the store
     */
    public record Marked(long removed, long decided, long mark) {}

    /** Returns the id of the log in {@code inbox.mark}, 32 hex digits; empty if it is missing or damaged. */
    public static Optional<String> logId(FileOps files, Path directory) throws IOException {
        return files.status(directory).isEmpty()
                ? Optional.empty()
                : Checkpoint.find(files, directory).map(Checkpoint::logId);
    }

    /** Reads {@code inbox.mark}; returns empty if it is missing or damaged. */
    public static Optional<Marked> marked(FileOps files, Path directory) throws IOException {
        return Checkpoint.find(files, directory).map(kept -> new Marked(kept.removed(), kept.decided(), kept.mark()));
    }

    /**
     * Returns whether the free disk space is less than the space that must stay free.
     *
     * @param bytes the number of bytes that the caller writes if this method returns false
     */
    public boolean isDiskLow(long bytes) {
        return floor.isBelow(bytes);
    }

    /** Returns the free disk space and what must stay free, such as {@code 252 of 256 MiB}, as they were last seen. */
    public String diskSpace() {
        return floor.text();
    }

    /** Returns whether the free disk space is less than twice the space that must stay free. */
    boolean isDiskNearlyLow() throws IOException {
        return floor.isNearlyBelow();
    }

    public Log log() {
        return log;
    }

    public LowWater lowWater() {
        return lowWater;
    }

    /** Returns the sequence of the last record on disk. */
    public long last() {
        return log.forcedEnd() - 1;
    }

    long lastAtStart() {
        return lastAtStart;
    }

    /**
     * Returns a reader of the records from a sequence on. The reader skips a segment that was moved away if everything
     * in that segment was decided.
     */
    private LogReader read(long from) throws IOException {
        return log.read(from, OnDamage.STOP, kept.decided());
    }

    /**
     * Returns the log for a follower that reads the records that a store lacks. A missing segment is an error, even if
     * its records were decided. Exception: the follower skips a missing segment if all its outcomes have expired, or if
     * the retention removed it. Such a gap is in the middle of the log if older segments were put back.
     *
     * @param expiry the clock by which outcomes expire
     */
    public LogFollower.Source toAssert(InstantSource expiry) {
        return new LogFollower.Source() {
            @Override
            public String newestSegment() {
                return log.newestSegment();
            }

            @Override
            public LogWalk walk(long from) {
                return new LogWalk(next -> readToAssert(next, expiry.millis()), from);
            }
        };
    }

    private LogReader readToAssert(long from, long nowMillis) throws IOException {
        LogReader reader = log.read(from, OnDamage.STOP, Math.max(from - 1, needlessUpTo(nowMillis)));
        // checks every reader: after a segment has vanished, the oldest one that is left may begin later
        requireBeginning(reader.beginning(), from, nowMillis);
        return reader;
    }

    /** Logs one warning for each missing segment that was skipped. */
    private void warnOfAbsent(LogReader reader) {
        for (Damage absent : reader.absent()) {
            warnOf(absent);
        }
    }

    /** An entry to log. Its record counts as unfinished until {@link LowWater#finished} is called for its group. */
    public interface Loggable {
        /** Returns the entry to log; called once. */
        Entry takeEntry();

        /** Notes that the entry is on disk, as the record {@code sequence}, which belongs to {@code group}. */
        void logged(long sequence, LowWater.Group group);
    }

    /**
     * Logs submissions in one append.
     *
     * @param forced called on the thread of the log's writer once the submissions are on disk
     * @param failed called on the thread of the log's writer if the append fails
     * @return false if the log does not accept the append; neither callback is called then
     */
    public boolean append(List<? extends Loggable> submissions, Runnable forced, Consumer<IOException> failed) {
        List<Entry> entries = submissions.stream().map(Loggable::takeEntry).toList();
        return log.append(new Append() {
            @Override
            public List<Entry> entries() {
                return entries;
            }

            @Override
            public void forced(long firstSequence) {
                int count = submissions.size();
                LowWater.Group group = lowWater.opened(
                        firstSequence + count - 1, entries.get(0).arrivalMillis(), count);
                for (int i = 0; i < count; i++) {
                    submissions.get(i).logged(firstSequence + i, group);
                }
                forced.run();
            }

            @Override
            public void failed(IOException cause) {
                failed.accept(cause);
            }
        });
    }

    /**
     * Logs a record that needs no decision. The record counts as unfinished until the caller runs the action that is
     * passed to {@code forced}.
     *
     * @param forced called on the thread of the log's writer once the record is on disk; its argument is the action
     *     that notes the record as finished
     * @param failed called on the thread of the log's writer if the append fails
     * @return false if the log does not accept the append; neither callback is called then
     */
    public boolean append(Entry entry, Consumer<Runnable> forced, Consumer<IOException> failed) {
        return append(
                List.of(new Loggable() {
                    @Override
                    public Entry takeEntry() {
                        return entry;
                    }

                    @Override
                    public void logged(long sequence, LowWater.Group group) {
                        forced.accept(() -> lowWater.finished(group));
                    }
                }),
                () -> {},
                failed);
    }

    /**
     * Returns the archive of this log, which stores the checkpoint after each segment.
     *
     * @param nanoTicker monotonic time
     */
    public LogArchive archive(FileOps files, LogArchive.Sink sink, LongSupplier nanoTicker) {
        return new LogArchive(files, options, log, Checkpoint.FILE, sink, nanoTicker);
    }

    /** Removes the position of the archive; returns whether there was one. */
    boolean forgetArchive(FileOps files) throws IOException {
        log.requireOwned();
        return LogArchive.forget(files, options.directory(), options.prefix());
    }

    /** Sets the work to run when the inbox is closed: all records are in closed segments, and the lock is still held. */
    void beforeRelease(Runnable work) {
        beforeRelease = work;
    }

    /** Returns whether the log was closed completely. */
    public boolean isClosed() {
        return isClosed;
    }

    /** Completes queued appends and releases the directory. Idempotent. */
    @Override
    public void close() throws IOException {
        Runnable work = beforeRelease;
        beforeRelease = () -> {};
        try {
            log.complete();
            work.run();
        } finally {
            log.close();
        }
        isClosed = true;
    }
}
