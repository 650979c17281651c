// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.agent.outbox.BackgroundAppends.ForcedAppend;
import dev.flk.agent.outbox.Outbox.ShardBacklog;
import dev.flk.agent.outbox.OutboxContents.Losses;
import dev.flk.agent.outbox.OutboxInspector.HistoryEntry;
import dev.flk.agent.outbox.OutboxRecords.Name;
import dev.flk.agent.outbox.Pending.Located;
import dev.flk.agent.outbox.certificate.CertificateLimit;
import dev.flk.agent.outbox.certificate.CertificateSink;
import dev.flk.agent.outbox.certificate.CertificateSink.OutboxFull;
import dev.flk.program.logging.LineLimit;
import dev.flk.wal.Log;
import dev.flk.wal.LogListener;
import dev.flk.wal.LogOptions;
import dev.flk.wal.LogOptions.LogSizes;
import dev.flk.wal.LogRange;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.files.FileOps;
import dev.flk.wal.files.LogLockedException;
import dev.flk.wal.files.TooManyFilesException;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.Damage.OnDamage;
import dev.flk.wal.segment.Entry;
import dev.flk.wal.segment.LogReader;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.function.LongConsumer;
import java.util.function.LongSupplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The certificates that wait for a backend's answer, stored in a log that one process owns. Safe for several threads;
 * concurrent additions share an fsync. The future of {@link #add} completes only when the certificates are on disk.
 * {@link #settle} does not wait for the disk: if a crash loses the record of a settlement, the next start sends the
 * certificates again, and the backend answers the repeated certificates as duplicates. Damaged parts of the log are
 * skipped and reported by {@link #losses}; all other entries remain usable.
 */
public final class Outbox implements CertificateSink, Closeable {
    private static final Logger LOG = LoggerFactory.getLogger(Outbox.class);

    /**
     * The size of a segment. It is small for two reasons: only entire segments can be removed, and a read starts at the
     * beginning of a segment.
     */
    private static final int SEGMENT_BYTES = 8 << 20;

    private static final long MAX_QUEUED_BYTES = 2L * CertificateLimit.BYTES;
    private static final long MAX_GROUP_BYTES = CertificateLimit.BYTES / 2;

    private final OutboxOptions options;
    private final InstantSource clock;
    private final Log log;
    private final OutboxContents contents;
    private final Losses losses;
    private final UnreadableBlocks unreadable;
    private final LogRange range;
    /**
     * The entries that this process has settled as lost, with the locations of their certificates, by the sequence of
     * the entry.
     */
    private final NavigableMap<Long, Located> lost = new ConcurrentSkipListMap<>();

    private final DiskQuota quota;
    private final BackgroundAppends background;
    private final CertificateBodies bodies;
    private final OutboxCompaction compaction;
    private final OutboxCare care;
    private boolean started;
    private volatile Runnable arrival = () -> {};

    private Outbox(OutboxOptions options, InstantSource clock, LongSupplier nanoTicker, UnreadableBlocks files, Log log)
            throws IOException {
        this.options = options;
        this.clock = clock;
        this.log = log;
        List<Damage> damages = new ArrayList<>(log.startReport().damages());
        try (LogReader reader = log.read(0, OnDamage.SKIP)) {
            contents = OutboxContents.replay(reader);
            damages.addAll(reader.damages());
        }
        range = new LogRange(files, options.directory(), OutboxRecords.PREFIX);
        damages.addAll(range.missing(log.forcedEnd() - 1));
        losses = Losses.of(damages);
        unreadable = files;
        LineLimit limit = LineLimit.ofOutages(nanoTicker);
        quota = new DiskQuota(files, options, nanoTicker);
        background = new BackgroundAppends(log, limit);
        bodies = new CertificateBodies(files, options.directory(), contents.pending());
        compaction =
                new OutboxCompaction(files, options.directory(), clock, log, contents.pending(), bodies, this, range);
        keepRange(() -> range.accept(log.forcedEnd() - 1));
        care = new OutboxCare(compaction, quota, contents.pending(), this::retryNotes, limit, nanoTicker);
    }

    /**
     * Locks the outbox and reads its log.
     *
     * @throws OutboxLocked if another process owns the outbox; the message names that process
     */
    public static Outbox open(OutboxOptions options, InstantSource clock) throws IOException {
        return open(options, clock, new DiskFiles());
    }

    static Outbox open(OutboxOptions options, InstantSource clock, FileOps files) throws IOException {
        Outbox outbox = openStepped(options, clock, System::nanoTime, files, new SecureRandom());
        outbox.started = true;
        outbox.log.start();
        outbox.care.start();
        return outbox;
    }

    /** Opens an outbox without threads; the simulation in the tests calls {@link #step} in their place. */
    static Outbox openStepped(
            OutboxOptions options, InstantSource clock, LongSupplier nanoTicker, FileOps disk, RandomGenerator random)
            throws IOException {
        UnreadableBlocks files = new UnreadableBlocks(disk);
        Log log = locked(files, options, clock, nanoTicker, random);
        try {
            return new Outbox(options, clock, nanoTicker, files, log);
        } catch (IOException | RuntimeException e) {
            log.close();
            throw e;
        }
    }

    /**
     * Writes the file with the log's range: which oldest records were removed, and which record is the last. The next
     * start compares the log with this range to find missing segments. A failure is only logged, because the outbox
     * must also work on a full disk.
     */
    private void keepRange(RangeWrite write) {
        try {
            log.requireOwned();
            write.run();
        } catch (IOException e) {
            LOG.warn(
                    "{} could not be written: {}; until it can be written, a start may not notice that segments at the"
                            + " beginning or end of the outbox are missing",
                    options.directory().resolve(LogRange.file(OutboxRecords.PREFIX)),
                    e.getMessage());
        }
    }

    @FunctionalInterface
    private interface RangeWrite {
        void run() throws IOException;
    }

    private static Log locked(
            FileOps files, OutboxOptions options, InstantSource clock, LongSupplier nanoTicker, RandomGenerator random)
            throws IOException {
        try {
            Log log = Log.open(files, logOptions(options), LogListener.NONE, clock, nanoTicker, random);
            log.startReport().warnings().forEach(warning -> LOG.warn("outbox: {}", warning));
            return log;
        } catch (LogLockedException e) {
            throw new OutboxLocked(e);
        }
    }

    private static LogOptions logOptions(OutboxOptions options) {
        LogSizes sizes = LogSizes.usual();
        return LogOptions.of(options.directory(), OutboxRecords.PREFIX, "outbox 2")
                .with(sizes.withSegments(SEGMENT_BYTES, sizes.segmentAge())
                        .withQueue(MAX_QUEUED_BYTES, MAX_GROUP_BYTES)
                        .withFillAhead(0))
                .with(OnDamage.SKIP);
    }

    /**
     * Returns why this process no longer owns the outbox; empty while it owns the outbox. Without ownership, every
     * append fails.
     */
    public Optional<IOException> lockLost() {
        return log.lockLost().map(cause -> cause);
    }

    /**
     * Returns whether a file is the lock file of an outbox that this process has open. The file is recognised by its
     * key and not by its name, because it may be a hard link. A lock file must not be opened again: closing it would
     * release the lock.
     *
     * @param fileKey the file key of the file; null if the file system has no file keys
     */
    public static boolean isLock(@Nullable Object fileKey) {
        return DiskFiles.isHeldLock(fileKey);
    }

    /** Runs one step of the log's writer, for the simulation; returns false if there was nothing to do. */
    boolean step() {
        return log.step();
    }

    /**
     * Adds all of the certificates or none of them, and blocks until the certificates are on disk. If the outbox
     * accepts no certificates, first tries to free the space of settled certificates, and then tries once more to add.
     *
     * @throws OutboxFull if the outbox is full, its disk can't keep up, or it is closing; nothing was added
     * @throws IOException if the disk failed. The certificates are then not pending, and the caller must add them
     *     again. If the process crashes, the next start may find the certificates on disk and send them
     */
    @Override
    public void append(List<byte[]> added) throws IOException {
        append(added, first -> {});
    }

    /**
     * Adds certificates as {@link #append(List)} does. Before any of the certificates can be sent, passes the sequence
     * of the first certificate to {@code onFirst}, on the log's thread.
     */
    public void append(List<byte[]> added, LongConsumer onFirst) throws IOException {
        try {
            await(add(OutboxRecords.CERTIFICATE, added, added, onFirst));
        } catch (OutboxFull e) {
            try {
                care.makeRoom();
            } catch (TooManyFilesException noFile) {
                e.addSuppressed(noFile);
                throw e;
            }
            await(add(OutboxRecords.CERTIFICATE, added, added, onFirst));
        }
    }

    /**
     * Adds certificates without waiting until they are on disk. The future completes on the log's thread once the
     * certificates are on disk. If the disk failed, the future fails with an {@link IOException}.
     *
     * @throws OutboxFull if the outbox is full, its disk can't keep up, or it is closing; nothing was added
     */
    public CompletableFuture<Void> add(List<byte[]> added) throws IOException {
        return add(OutboxRecords.CERTIFICATE, added, added, first -> {});
    }

    /**
     * Adds dead letters as new entries. After the future has completed, the caller must remove these dead letters from
     * their file. The new records of the log contain the names of the former entries. If a crash prevents the removal,
     * the next start uses these names to remove the dead letters.
     */
    CompletableFuture<Void> requeue(List<DeadLetter> letters) throws IOException {
        List<byte[]> plain = letters.stream().map(DeadLetter::certificate).toList();
        List<byte[]> records = letters.stream()
                .map(letter -> OutboxRecords.requeued(letter.name(), letter.certificate()))
                .toList();
        return add(OutboxRecords.REQUEUED, plain, records, first -> {})
                .thenRun(() -> letters.forEach(letter -> contents.requeued().add(letter.name())));
    }

    /**
     * Returns whether the dead letter of this former entry was requeued, by this process or an earlier one. Returns
     * false for a dead letter that was requeued before the last call of {@link #forgetRequeued} in this process.
     */
    boolean wasRequeued(Name name) {
        return contents.wasRequeued(name);
    }

    /** Returns whether requeued dead letters may still be in the file of dead letters. */
    boolean hasRequeued() {
        return !contents.requeued().isEmpty();
    }

    /**
     * Forgets which dead letters were requeued. Before the call, the caller must have removed these dead letters from
     * their file.
     */
    void forgetRequeued() {
        contents.requeued().clear();
    }

    /**
     * Appends a record with the names of the requeued dead letters that may still be in the file of dead letters. Once
     * the future has completed, older segments that contain these names can be removed. If there are no such dead
     * letters, appends nothing and returns a completed future.
     */
    CompletableFuture<Void> repeatRequeued() {
        List<Name> names = List.copyOf(contents.requeued());
        if (names.isEmpty()) {
            return CompletableFuture.completedFuture(null);
        }
        return ForcedAppend.to(
                log,
                List.of(OutboxRecords.record(OutboxRecords.STILL_IN_FILE, clock.millis(), OutboxRecords.names(names))),
                sequence -> {});
    }

    private CompletableFuture<Void> add(char kind, List<byte[]> added, List<byte[]> records, LongConsumer onFirst)
            throws IOException {
        if (added.isEmpty()) {
            return CompletableFuture.completedFuture(null);
        }
        long taken = quota.take(
                added.size(),
                records.stream().mapToLong(body -> body.length).sum(),
                contents.pending().bytes());
        long now = Math.max(0, clock.millis());
        // parses the certificates here, because the log's thread must not spend time on parsing
        List<String> shards = added.stream().map(body -> Shards.nameIn(body, 0)).toList();
        ForcedAppend append = new ForcedAppend(
                records.stream()
                        .map(body -> OutboxRecords.record(kind, now, body))
                        .toList(),
                first -> {
                    onFirst.accept(first);
                    arrived(first, now, added, shards);
                });
        var unused = append.ended().whenComplete((nothing, failure) -> quota.arrived(taken));
        if (!log.append(append)) {
            quota.arrived(taken);
            throw new OutboxFull("the outbox " + options.directory()
                    + " accepts no certificates now: its disk can't keep up, or it is closing; try again");
        }
        return append.ended();
    }

    /**
     * Blocks until the future completes. If the outbox has no threads, this method itself runs the steps of the log.
     */
    void await(CompletableFuture<Void> future) throws IOException {
        while (!started && !future.isDone() && log.step()) {
            // the condition does the work
        }
        try {
            future.join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof IOException io ? io : new IOException(e);
        }
    }

    private void arrived(long firstSequence, long now, List<byte[]> added, List<String> shards) {
        for (int i = 0; i < added.size(); i++) {
            long sequence = firstSequence + i;
            byte[] body = added.get(i);
            bodies.keep(sequence, body);
            contents.pending().add(new OutboxEntry(sequence, now, body.length, -1), shards.get(i));
        }
        arrival.run();
    }

    /**
     * Registers a listener that is called after each addition of certificates, on the log's thread; it must not block.
     */
    public void onArrival(Runnable listener) {
        arrival = listener;
    }

    /**
     * Returns the pending entries that follow a sequence, in the order of their sequences, but at most {@code most}
     * entries.
     */
    public List<OutboxEntry> pendingAfter(long sequence, int most) {
        return contents.pending().after(sequence, most);
    }

    /**
     * Returns the certificates of these entries by sequence. The map has no value for a certificate that the disk has
     * lost.
     */
    public Map<Long, byte[]> bodies(List<OutboxEntry> entries) throws IOException {
        return bodies.of(entries);
    }

    /**
     * Records that entries are about to be sent. After a crash, the record shows the earliest time at which the backend
     * may have received each certificate. If an earlier sending of an entry is unanswered, the entry keeps the time of
     * the earlier sending.
     *
     * @param now the current time on the agent's clock and on the clock that measures {@code MAX_AGE}
     * @param then a callback that runs on any thread: immediately if no record is needed, otherwise once the record is
     *     on disk or the disk has failed
     */
    public void beingSent(List<OutboxEntry> entries, LastSending now, Runnable then) {
        List<Long> first = new ArrayList<>();
        synchronized (this) {
            for (OutboxEntry entry : entries) {
                if (contents.pending().unansweredSinceMillis(entry.sequence()) < 0) {
                    contents.pending().beingSent(entry.sequence(), now.age().toEpochMilli());
                    first.add(entry.sequence());
                }
            }
        }
        if (first.isEmpty()) {
            then.run();
            return;
        }
        contents.sending(now);
        Entry note = OutboxRecords.beingSent(now, first);
        ForcedAppend.to(log, List.of(note), sequence -> {}).handle((nothing, failure) -> {
            if (failure != null) {
                background.keep(note, failure);
            }
            then.run();
            return null;
        });
    }

    /**
     * Returns the time of the last sending that this process or an earlier process recorded. Returns empty if the log
     * had no record of a sending at the start, and this process has not sent anything.
     */
    public Optional<LastSending> lastSending() {
        return contents.lastSending();
    }

    /**
     * Returns the time of the earliest sending that may have brought an entry into the backend's log, in milliseconds
     * since 1970, on the clock that measures {@code MAX_AGE}. Returns -1 if the entry was not sent, or if it is known
     * that no sending of the entry has arrived.
     */
    public long unansweredSinceMillis(OutboxEntry entry) {
        return contents.pending().unansweredSinceMillis(entry.sequence());
    }

    /** Records that entries were sent but have not arrived at a backend. Returns before the record is on disk. */
    public void notArrived(List<OutboxEntry> entries) {
        if (entries.isEmpty()) {
            return;
        }
        synchronized (this) {
            entries.forEach(entry -> contents.pending().notArrived(entry.sequence()));
            background.add(OutboxRecords.record(
                    OutboxRecords.NOT_ARRIVED, clock.millis(), OutboxRecords.numbers(sequences(entries))));
        }
    }

    /**
     * Appends the records again that the disk has failed to write, without the entries that have changed since. {@link
     * #beingSent} and {@link #notArrived} use the same lock, so newer records of an entry follow in the log.
     */
    synchronized void retryNotes() {
        background.retry(contents::withoutOutdated);
    }

    /**
     * Settles entries. Returns before the record is on disk. The settlement {@link SettledAs#LOST} is kept only in
     * memory: the next start tries to read a lost entry again, and if the disk can then read the entry, the entry is
     * pending again.
     */
    public void settle(SettledAs how, List<OutboxEntry> entries) {
        if (entries.isEmpty()) {
            return;
        }
        entries.forEach(entry -> bodies.forget(entry.sequence()));
        // compaction moves entries under the same lock; otherwise a record that moves an entry could follow the record
        // that settles the entry, and the next start would treat the entry as pending
        synchronized (this) {
            if (how == SettledAs.LOST) {
                for (OutboxEntry entry : entries) {
                    long location = contents.pending().location(entry.sequence());
                    lost.put(entry.sequence(), new Located(asKnownNow(entry), location));
                }
            }
            entries.forEach(entry -> contents.pending().remove(entry.sequence()));
            if (how != SettledAs.LOST) {
                background.add(OutboxRecords.record(
                        OutboxRecords.SETTLED, clock.millis(), OutboxRecords.settled(how, sequences(entries))));
            }
        }
    }

    /**
     * Settles the entry with this name as dead if it is pending. Does nothing if the pending entry with this sequence
     * was added at another time, because it is then a different entry.
     */
    void settleIfPending(Name name) {
        List<OutboxEntry> found = contents.pending().after(name.sequence() - 1, 1);
        if (!found.isEmpty()
                && found.get(0).sequence() == name.sequence()
                && found.get(0).addedMillis() == name.addedMillis()) {
            settle(SettledAs.DEAD, found);
        }
    }

    /** Returns the lost entries whose certificates are in records up to this sequence. */
    List<Located> lostUpTo(long location) {
        return lost.values().stream().filter(one -> one.location() <= location).toList();
    }

    /**
     * Appends again each of the given entries that is pending or settled as lost. The future completes once the new
     * records are on disk.
     */
    CompletableFuture<Void> move(Map<OutboxEntry, byte[]> entries) {
        synchronized (this) {
            List<OutboxEntry> moved = new ArrayList<>();
            List<Entry> records = new ArrayList<>();
            entries.forEach((entry, body) -> {
                Located known = lost.get(entry.sequence());
                if (known != null || contents.pending().contains(entry.sequence())) {
                    moved.add(entry);
                    OutboxEntry now = known == null ? asKnownNow(entry) : known.entry();
                    records.add(
                            OutboxRecords.record(OutboxRecords.MOVED, clock.millis(), OutboxRecords.moved(now, body)));
                }
            });
            if (moved.isEmpty()) {
                return CompletableFuture.completedFuture(null);
            }
            // repeats the record of the last sending, because compaction may be about to remove the segment with that
            // record
            contents.lastSending().ifPresent(last -> records.add(OutboxRecords.beingSent(last, List.of())));
            return ForcedAppend.to(log, records, first -> {
                long location = first;
                for (OutboxEntry entry : moved) {
                    long at = location++;
                    contents.pending().relocateIfThere(entry.sequence(), at);
                    lost.computeIfPresent(entry.sequence(), (sequence, one) -> new Located(one.entry(), at));
                }
            });
        }
    }

    /** Makes settled certificates wait again; see {@link Requeue}. Blocks until they are on disk. */
    public Requeue.Counts requeue(Requeue.Selection which) throws IOException {
        return new Requeue(this, options.directory(), which).run();
    }

    /**
     * Appends settled entries again, which makes them pending. A backend may have them since they were added. The
     * future completes once the new records are on disk.
     */
    CompletableFuture<Void> waitAgain(List<HistoryEntry> entries) throws IOException {
        List<HistoryEntry> settled = entries.stream()
                .filter(each -> !contents.pending().contains(each.entry().sequence()))
                .toList();
        if (settled.isEmpty()) {
            return CompletableFuture.completedFuture(null);
        }
        long now = clock.millis();
        List<OutboxEntry> waiting = settled.stream()
                .map(each -> each.entry().unansweredSince(each.entry().addedMillis()))
                .toList();
        List<Entry> records = new ArrayList<>();
        for (int i = 0; i < waiting.size(); i++) {
            byte[] body = OutboxRecords.moved(waiting.get(i), settled.get(i).certificate());
            records.add(OutboxRecords.record(OutboxRecords.MOVED, now, body));
        }
        List<String> shards = settled.stream()
                .map(each -> Shards.nameIn(each.certificate(), 0))
                .toList();
        return ForcedAppend.to(log, records, first -> {
            for (int i = 0; i < waiting.size(); i++) {
                contents.again(waiting.get(i), shards.get(i), first + i);
            }
            arrival.run();
        });
    }

    /** Returns whether an entry is to be sent after those that {@link #pollAgain} does not return. */
    public boolean isAgain(OutboxEntry entry) {
        return contents.again().contains(entry.sequence());
    }

    /** Returns the lowest sequence of an entry that {@link #isAgain}, which ends that; empty without such an entry. */
    public OptionalLong pollAgain() {
        Long first = contents.again().pollFirst();
        return first == null ? OptionalLong.empty() : OptionalLong.of(first);
    }

    private OutboxEntry asKnownNow(OutboxEntry entry) {
        return entry.unansweredSince(contents.pending().unansweredSinceMillis(entry.sequence()));
    }

    private static List<Long> sequences(List<OutboxEntry> entries) {
        return entries.stream().map(OutboxEntry::sequence).toList();
    }

    /** Frees the space of settled entries; see {@link OutboxCompaction#run}. */
    public OutboxCompaction.Report compact(Duration horizon, OutboxCompaction.Mode mode) throws IOException {
        return compaction.run(horizon, mode);
    }

    public Path directory() {
        return options.directory();
    }

    @Override
    public String name() {
        return options.directory().toString();
    }

    @Override
    public long maxBytes() {
        return options.maxBytes();
    }

    /**
     * The disk space of the outbox.
     *
     * @param usedBytes the bytes of the outbox's files, without the {@link DiskQuota.Reserve}
     * @param freeBytes the bytes of the file system that this process can still use
     */
    public record Space(long usedBytes, long freeBytes) {}

    /** Returns the used and the free bytes, read at most one second ago. */
    public Space space() throws IOException {
        return quota.space();
    }

    /**
     * Returns the used and the free bytes as last read from the file system, adjusted for the certificates that were
     * added after that reading. Does not access the file system.
     */
    public Space lastSpace() {
        return quota.lastSpace();
    }

    /** Returns the number of pending entries. */
    public int pendingEntries() {
        return contents.pending().size();
    }

    /** Returns the size of the pending certificates in bytes. */
    public long pendingBytes() {
        return contents.pending().bytes();
    }

    /** Returns the pending entry with the lowest sequence; empty if no entry is pending. */
    public Optional<OutboxEntry> oldest() {
        return contents.pending().oldest();
    }

    /**
     * Returns the backlog of each shard, by the name of the shard. At most 64 shards have their own names in the map:
     * first the shards with pending entries at the start, then the shards whose certificates arrive next. The name
     * {@code (others)}, which is always present, combines all other shards.
     */
    public Map<String, ShardBacklog> byShard() {
        return contents.pending().byShard();
    }

    /** Returns the name under which {@link #byShard} counts a pending entry. */
    public String shardName(OutboxEntry entry) {
        return contents.pending().shardName(entry.sequence());
    }

    /** Returns a sentence for each range of lost records, and for each file of which the disk failed to read a part. */
    public List<String> losses() {
        List<String> sentences = new ArrayList<>(losses.describe());
        sentences.addAll(unreadable.describe());
        return sentences;
    }

    /**
     * Returns the number of records that the disk has lost. The real number may be higher, because it is not always
     * known how many records were in a missing part of the log.
     */
    public long lostRecords() {
        return Math.max(losses.records() + lost.size(), unreadable.describe().isEmpty() ? 0 : 1);
    }

    /** Rejects further appends, finishes the appends in progress, and unlocks the outbox. */
    @Override
    public void close() throws IOException {
        care.close();
        try {
            bodies.close();
            log.finish();
            if (lockLost().isEmpty()) {
                keepRange(() -> range.endsWith(log.forcedEnd() - 1));
            }
        } finally {
            log.close();
        }
    }

    /**
     * The pending entries of one shard.
     *
     * @param entries the number of pending entries
     * @param oldestAddedMillis the time at which the oldest of these entries was added, in milliseconds since 1970; -1
     *     if the shard has no pending entries
     */
    public record ShardBacklog(int entries, long oldestAddedMillis) {}

    /**
     * The time of a sending, on two clocks.
     *
     * @param own the time on the agent's clock
     * @param age the time on the clock that measures {@code MAX_AGE}
     */
    public record LastSending(Instant own, Instant age) {}

    /** The exception for an outbox that another process owns. The message names that process. */
    public static final class OutboxLocked extends IOException {
        private static final long serialVersionUID = 1;

        OutboxLocked(IOException cause) {
            super(cause.getMessage(), cause);
        }
    }
}
