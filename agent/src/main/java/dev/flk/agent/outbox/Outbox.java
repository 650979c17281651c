// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.agent.outbox.CertificateSink.OutboxFull;
import dev.flk.agent.outbox.Notes.ForcedAppend;
import dev.flk.agent.outbox.Outbox.ShardBacklog;
import dev.flk.agent.outbox.OutboxRecords.Name;
import dev.flk.agent.outbox.OutboxView.Contents;
import dev.flk.agent.outbox.OutboxView.Losses;
import dev.flk.agent.outbox.Shards.ShardField;
import dev.flk.program.logging.LineLimit;
import dev.flk.wal.Damage;
import dev.flk.wal.Damage.OnDamage;
import dev.flk.wal.DiskFiles;
import dev.flk.wal.Entry;
import dev.flk.wal.FileOps;
import dev.flk.wal.Log;
import dev.flk.wal.LogListener;
import dev.flk.wal.LogLockedException;
import dev.flk.wal.LogOptions;
import dev.flk.wal.LogOptions.LogSizes;
import dev.flk.wal.LogReader;
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
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongConsumer;
import java.util.function.LongSupplier;
import java.util.random.RandomGenerator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Certificates on their way, in a log that one process owns. Safe for several threads; those that add at the same time share a force.
 * {@link #add} completes only when its certificates are on disk; {@link #settle} does not wait, for what a crash makes it forget is
 * sent once more and answered as a duplicate. Damage of the log is skipped and told by {@link #losses}; the rest goes on.
 */
public final class Outbox implements CertificateSink, Closeable {
    /** Small, so that settled segments are removed soon, and one is read quickly. */
    private static final Logger LOG = LoggerFactory.getLogger(Outbox.class);

    private static final int SEGMENT_BYTES = 8 << 20;

    private static final long MAX_QUEUED_BYTES = 16 << 20;
    private static final long MAX_GROUP_BYTES = 4 << 20;

    private final OutboxOptions options;
    private final InstantSource clock;
    private final Log log;
    private final Contents contents;
    private final Losses losses;
    private final UnreadableBlocks unreadable;
    private final AtomicLong lostSince = new AtomicLong();
    private final DiskQuota room;
    private final Notes notes;
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
            contents = Contents.replay(reader);
            damages.addAll(reader.damages());
        }
        losses = Losses.of(damages);
        unreadable = files;
        LineLimit limit = LineLimit.ofOutages(nanoTicker);
        room = new DiskQuota(files, options, nanoTicker);
        notes = new Notes(log, limit);
        bodies = new CertificateBodies(files, options.directory(), contents.pending());
        compaction = new OutboxCompaction(files, options.directory(), clock, log, contents.pending(), bodies, this);
        care = new OutboxCare(compaction, room, contents.pending(), notes, limit, nanoTicker);
    }

    /**
     * Locks the outbox and reads it.
     *
     * @throws OutboxLocked naming the process that owns it
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

    /** The same without threads: the simulation calls {@link #step}. */
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

    /** Why this process does not own the outbox any more, so that it takes nothing and notes nothing; empty while it does. */
    public Optional<IOException> lockLost() {
        return log.lockLost().map(cause -> cause);
    }

    /** One step of the log's writer, for the simulation; false if there was nothing to do. */
    boolean step() {
        return log.step();
    }

    /**
     * Adds certificates, all of them or none, and waits until they are on disk. If the outbox is full, space of settled
     * certificates is given back first.
     *
     * @throws OutboxFull if there is no room; nothing was added
     * @throws IOException if the disk refused; nothing counts as added
     */
    @Override
    public void append(List<byte[]> added) throws IOException {
        append(added, first -> {});
    }

    /** The same; {@code onFirst} is told the sequence of the first of them, on the log's thread, before any of them can be sent. */
    public void append(List<byte[]> added, LongConsumer onFirst) throws IOException {
        try {
            await(add(OutboxRecords.CERTIFICATE, added, added, onFirst));
        } catch (OutboxFull e) {
            care.makeRoom();
            await(add(OutboxRecords.CERTIFICATE, added, added, onFirst));
        }
    }

    /**
     * The same without waiting. Completes on the log's thread; exceptionally, with an {@link IOException}, if the disk refused.
     *
     * @throws OutboxFull if there is no room; nothing was added
     */
    public CompletableFuture<Void> add(List<byte[]> added) throws IOException {
        return add(OutboxRecords.CERTIFICATE, added, added, first -> {});
    }

    /**
     * Adds dead letters as new entries; the letters must be removed after it completes. Known by their old names, so that a letter
     * that a crash has left is not requeued twice.
     */
    CompletableFuture<Void> requeue(List<DeadLetter> letters) throws IOException {
        List<byte[]> plain = letters.stream().map(DeadLetter::certificate).toList();
        List<byte[]> records = letters.stream()
                .map(letter -> OutboxRecords.requeued(letter.name(), letter.certificate()))
                .toList();
        return add(OutboxRecords.REQUEUED, plain, records, first -> {})
                .thenRun(() -> letters.forEach(letter -> contents.requeued().add(letter.name())));
    }

    /** Whether the dead letter of this entry was taken back, and {@link #requeuedAreOut} was not called since. */
    boolean wasRequeued(Name name) {
        return contents.wasRequeued(name);
    }

    /** Whether there are such dead letters. */
    boolean remembersRequeued() {
        return !contents.requeued().isEmpty();
    }

    /** No requeued letter is in the file of dead letters any more. */
    void requeuedAreOut() {
        contents.requeued().clear();
    }

    /** Repeats in the newest segment which requeued letters may still be in the file of dead letters. */
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
        long taken = room.take(
                added.size(),
                records.stream().mapToLong(body -> body.length).sum(),
                contents.pending().bytes());
        long now = Math.max(0, clock.millis());
        // here, and not on the log's thread
        List<String> shards = added.stream().map(body -> ShardField.of(body, 0)).toList();
        ForcedAppend append = new ForcedAppend(
                records.stream()
                        .map(body -> OutboxRecords.record(kind, now, body))
                        .toList(),
                first -> {
                    onFirst.accept(first);
                    arrived(first, now, added, shards);
                });
        var unused = append.ended().whenComplete((nothing, failure) -> room.arrived(taken));
        if (!log.append(append)) {
            room.arrived(taken);
            throw new OutboxFull("the outbox " + options.directory() + " can't keep up or is closing; try again");
        }
        return append.ended();
    }

    /** Waits until the log has done something; without threads it takes the log's steps itself. */
    void await(CompletableFuture<Void> something) throws IOException {
        while (!started && !something.isDone() && log.step()) {
            // one step after the other
        }
        try {
            something.join();
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

    /** Calls the listener whenever certificates were added, on the log's thread: it must return at once. */
    public void onArrival(Runnable listener) {
        arrival = listener;
    }

    /** The next entries behind a sequence, in order, {@code most} of them. */
    public List<OutboxEntry> pendingAfter(long sequence, int most) {
        return contents.pending().after(sequence, most);
    }

    /** The certificates of these entries, by sequence; one that the disk has lost is missing. */
    public Map<Long, byte[]> bodies(List<OutboxEntry> entries) throws IOException {
        return bodies.of(entries);
    }

    /**
     * Remembers that entries are about to be sent, so that even after a crash it is known since when one may have arrived.
     *
     * @param millis by the clock that {@code MAX_AGE} is measured on
     * @param then called once that is on disk, or the disk has refused; on any thread
     */
    public void beingSent(List<OutboxEntry> entries, long millis, Runnable then) {
        List<Long> first = new ArrayList<>();
        synchronized (this) {
            for (OutboxEntry entry : entries) {
                if (contents.pending().unansweredSinceMillis(entry.sequence()) < 0) {
                    contents.pending().beingSent(entry.sequence(), millis);
                    first.add(entry.sequence());
                }
            }
        }
        if (first.isEmpty()) {
            then.run();
            return;
        }
        LastSending now = new LastSending(clock.instant(), Instant.ofEpochMilli(millis));
        contents.sending(now);
        Entry note = OutboxRecords.beingSent(now, first);
        var unused = ForcedAppend.to(log, List.of(note), sequence -> {}).handle((nothing, failure) -> {
            if (failure != null) {
                notes.keep(note, failure);
            }
            then.run();
            return null;
        });
    }

    /** Returns the last sending that was noted, by this process or an earlier one; empty if none was. */
    public Optional<LastSending> lastSending() {
        return contents.lastSending();
    }

    /** When an entry was first sent without an answer, milliseconds since 1970; -1 if it never was. */
    public long unansweredSinceMillis(OutboxEntry entry) {
        return contents.pending().unansweredSinceMillis(entry.sequence());
    }

    /** Notes that entries did not arrive, although they were sent. Returns before that is on disk. */
    public void notArrived(List<OutboxEntry> entries) {
        if (entries.isEmpty()) {
            return;
        }
        synchronized (this) {
            entries.forEach(entry -> contents.pending().notArrived(entry.sequence()));
            notes.add(OutboxRecords.record(
                    OutboxRecords.NOT_ARRIVED, clock.millis(), OutboxRecords.numbers(sequences(entries))));
        }
    }

    /**
     * Settles entries. Returns before that is on disk. Lost entries are only counted: the next start reads the disk again, and finds
     * those that it can read by then.
     */
    public void settle(SettledAs how, List<OutboxEntry> entries) {
        if (entries.isEmpty()) {
            return;
        }
        entries.forEach(entry -> bodies.forget(entry.sequence()));
        // ordered with moves of compaction, so that the log never has a record of an entry after it was settled
        synchronized (this) {
            entries.forEach(entry -> contents.pending().remove(entry.sequence()));
            if (how == SettledAs.LOST) {
                lostSince.addAndGet(entries.size());
            } else {
                notes.add(OutboxRecords.record(
                        OutboxRecords.SETTLED, clock.millis(), OutboxRecords.settled(how, sequences(entries))));
            }
        }
    }

    /** Settles an entry as dead, if this very one still waits. */
    void settleIfPending(Name name) {
        List<OutboxEntry> found = contents.pending().after(name.sequence() - 1, 1);
        if (!found.isEmpty()
                && found.get(0).sequence() == name.sequence()
                && found.get(0).addedMillis() == name.addedMillis()) {
            settle(SettledAs.DEAD, found);
        }
    }

    /** Appends entries that still wait again; completes when that is on disk. */
    CompletableFuture<Void> move(Map<OutboxEntry, byte[]> entries) {
        synchronized (this) {
            List<OutboxEntry> moved = new ArrayList<>();
            List<Entry> records = new ArrayList<>();
            entries.forEach((entry, body) -> {
                if (contents.pending().contains(entry.sequence())) {
                    moved.add(entry);
                    records.add(OutboxRecords.record(
                            OutboxRecords.MOVED, clock.millis(), OutboxRecords.moved(asKnownNow(entry), body)));
                }
            });
            if (moved.isEmpty()) {
                return CompletableFuture.completedFuture(null);
            }
            // the note of that sending may be in a segment that is removed now
            contents.lastSending().ifPresent(last -> records.add(OutboxRecords.beingSent(last, List.of())));
            return ForcedAppend.to(log, records, first -> {
                long location = first;
                for (OutboxEntry entry : moved) {
                    contents.pending().relocateIfThere(entry.sequence(), location++);
                }
            });
        }
    }

    private OutboxEntry asKnownNow(OutboxEntry entry) {
        return entry.unansweredSince(contents.pending().unansweredSinceMillis(entry.sequence()));
    }

    private static List<Long> sequences(List<OutboxEntry> entries) {
        return entries.stream().map(OutboxEntry::sequence).toList();
    }

    /** Gives space back; see {@link OutboxCompaction#run}. */
    public OutboxCompaction.Report compact(Duration horizon, OutboxCompaction.Mode mode) throws IOException {
        return compaction.run(horizon, mode);
    }

    /** Where it is kept. */
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
     * Bytes on its disk.
     *
     * @param usedBytes of its files
     * @param freeBytes what the file system has left for this process
     */
    public record Space(long usedBytes, long freeBytes) {}

    /** As of now, or of a second ago. */
    public Space space() throws IOException {
        return room.space();
    }

    /** As of the last look. */
    public Space lastSpace() {
        return room.lastSpace();
    }

    /** How many entries wait. */
    public int pendingEntries() {
        return contents.pending().size();
    }

    /** What they have, in bytes. */
    public long pendingBytes() {
        return contents.pending().bytes();
    }

    /** The entry that has waited longest. */
    public Optional<OutboxEntry> oldest() {
        return contents.pending().oldest();
    }

    /**
     * What waits, by the names of shards: the first 64 that came since the start, those first that waited then, and {@code (others)} for
     * the rest, which is always there.
     */
    public Map<String, ShardBacklog> byShard() {
        return contents.pending().byShard();
    }

    /** The name under which the shard of a waiting entry is counted. */
    public String shardName(OutboxEntry entry) {
        return contents.pending().shardName(entry.sequence());
    }

    /** Returns a sentence for each range of records that the disk has lost, and for each file that it failed to read. */
    public List<String> losses() {
        List<String> sentences = new ArrayList<>(losses.describe());
        sentences.addAll(unreadable.describe());
        return sentences;
    }

    /** How many records the disk has lost; at least that many, if they stood at the end of the log. */
    public long lostRecords() {
        return Math.max(
                losses.records() + lostSince.get(), unreadable.describe().isEmpty() ? 0 : 1);
    }

    /** Accepts nothing more, finishes what is in flight and unlocks the outbox. */
    @Override
    public void close() throws IOException {
        care.close();
        try {
            bodies.close();
        } finally {
            log.close();
        }
    }

    /**
     * What waits of one shard.
     *
     * @param entries how many
     * @param oldestAddedMillis when the one that has waited longest was added, milliseconds since 1970; -1 if none waits
     */
    public record ShardBacklog(int entries, long oldestAddedMillis) {}

    /**
     * A moment at which certificates were sent.
     *
     * @param own by the agent's clock
     * @param age by the clock that {@code MAX_AGE} is measured on
     */
    public record LastSending(Instant own, Instant age) {}

    /** Another process owns the outbox. The message names it. */
    public static final class OutboxLocked extends IOException {
        private static final long serialVersionUID = 1;

        OutboxLocked(IOException cause) {
            super(cause.getMessage(), cause);
        }
    }
}
