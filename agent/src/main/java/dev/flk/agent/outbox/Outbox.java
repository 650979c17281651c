// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.agent.logging.LineLimit;
import dev.flk.wal.Damage;
import dev.flk.wal.DiskFiles;
import dev.flk.wal.FileOps;
import dev.flk.wal.Log;
import dev.flk.wal.LogListener;
import dev.flk.wal.LogOptions;
import dev.flk.wal.LogReader;
import dev.flk.wal.LogRecord;
import dev.flk.wal.LogSizes;
import dev.flk.wal.OnDamage;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Files;
import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.TreeSet;
import java.util.concurrent.CompletionException;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Certificates on their way, in a log that one process owns. Safe for several threads. {@link #append} returns only when
 * its certificates are on disk; {@link #settle} does not wait, for what a crash makes it forget is sent once more and
 * answered as a duplicate. Damage of the log is set aside and told by {@link #losses}; the rest goes on.
 */
public final class Outbox implements Closeable {
    private static final Logger LOG = LoggerFactory.getLogger(Outbox.class);
    /** Small, since a body that is not in memory is looked for from the beginning of its segment. */
    private static final int SEGMENT_BYTES = 8 << 20;

    private static final long BODIES_IN_MEMORY_BYTES = 32 << 20;
    /** Beyond this many sequences it is cheaper to look a record up anew than to read on. */
    private static final long READ_ON = 4096;

    private final OutboxOptions options;
    private final InstantSource clock;
    private final Log log;
    private final Pending pending;
    private final Losses losses;
    private final LineLimit limit = new LineLimit(System::nanoTime);
    private final Bodies bodies = new Bodies(BODIES_IN_MEMORY_BYTES);
    private Consumer<List<Entry>> arrivals = entries -> {};

    private Outbox(OutboxOptions options, InstantSource clock, Log log) throws IOException {
        this.options = options;
        this.clock = clock;
        this.log = log;
        List<Damage> damages = new ArrayList<>(log.damages());
        try (LogReader reader = log.read(0, OnDamage.SKIP)) {
            pending = Pending.replay(reader);
            damages.addAll(reader.damages());
        }
        losses = Losses.of(damages);
    }

    /**
     * Takes possession of the outbox and reads it.
     *
     * @throws dev.flk.wal.LogLockedException naming the process that owns it
     */
    public static Outbox open(OutboxOptions options, InstantSource clock) throws IOException {
        return open(options, clock, new DiskFiles());
    }

    static Outbox open(OutboxOptions options, InstantSource clock, FileOps files) throws IOException {
        Log log = Log.open(files, logOptions(options), LogListener.NONE, clock, System::nanoTime, new SecureRandom());
        try {
            Outbox outbox = new Outbox(options, clock, log);
            log.start();
            return outbox;
        } catch (IOException | RuntimeException e) {
            log.close();
            throw e;
        }
    }

    private static LogOptions logOptions(OutboxOptions options) {
        LogSizes usual = LogSizes.usual();
        return LogOptions.of(options.directory(), OutboxRecords.PREFIX, "outbox 1")
                .with(usual.withSegments(SEGMENT_BYTES, usual.segmentAge()).withFillAhead(0))
                .with(OnDamage.SKIP);
    }

    /**
     * Adds certificates, all of them or none, and waits until they are on disk.
     *
     * @throws OutboxFull if there is no room; nothing was added
     * @throws IOException if the disk refused; nothing counts as added
     */
    public void append(List<byte[]> certificates) throws IOException {
        if (certificates.isEmpty()) {
            return;
        }
        refuseIfFull(certificates.stream().mapToLong(body -> body.length).sum());
        long now = clock.millis();
        ForcedAppend append = new ForcedAppend(certificates.stream()
                .map(body -> new dev.flk.wal.Entry(OutboxRecords.CERTIFICATE, OutboxRecords.NO_KEY, now, body))
                .toList());
        if (!log.append(append)) {
            throw new OutboxFull("the outbox " + options.directory() + " can't keep up or is closing; try again");
        }
        long sequence = await(append);
        List<Entry> added = new ArrayList<>(certificates.size());
        for (byte[] body : certificates) {
            bodies.offer(sequence, body);
            added.add(new Entry(sequence++, now, body.length, -1));
        }
        arrived(added);
    }

    private static long await(ForcedAppend append) throws IOException {
        try {
            return append.firstSequence().join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof IOException io ? new IOException(io.getMessage(), io) : new IOException(e);
        }
    }

    private void refuseIfFull(long bytes) throws IOException {
        if (pending.bytes() + bytes > options.maxBytes()) {
            throw new OutboxFull("the outbox " + options.directory() + " is full: " + pending.bytes() + " of "
                    + options.maxBytes()
                    + " bytes wait to be sent; let flk-agent run send them, or raise OUTBOX_MAX_BYTES");
        }
        long free = Files.getFileStore(options.directory()).getUsableSpace();
        if (free - bytes < options.minFreeBytes()) {
            throw new OutboxFull("the file system of " + options.directory() + " has " + free
                    + " bytes left, OUTBOX_MIN_FREE_BYTES keeps " + options.minFreeBytes() + "; make room");
        }
    }

    private synchronized void arrived(List<Entry> added) {
        added.forEach(pending::add);
        arrivals.accept(added);
    }

    /** Hands over all that is pending, and from then on whatever is added; on the thread that adds it. */
    public synchronized void subscribe(Consumer<List<Entry>> subscriber) {
        arrivals = subscriber;
        subscriber.accept(pending.all());
    }

    /** The certificates of these entries, by sequence; one that the disk has lost is missing. */
    public Map<Long, byte[]> bodies(List<Entry> entries) throws IOException {
        Map<Long, byte[]> found = new HashMap<>();
        TreeSet<Long> missing = new TreeSet<>();
        for (Entry entry : entries) {
            bodies.get(entry.sequence())
                    .ifPresentOrElse(body -> found.put(entry.sequence(), body), () -> missing.add(entry.sequence()));
        }
        while (!missing.isEmpty()) {
            readOn(missing, found);
        }
        return found;
    }

    /** Reads from the first missing sequence on while the next one is near; takes what it came by from {@code missing}. */
    private void readOn(NavigableSet<Long> missing, Map<Long, byte[]> found) throws IOException {
        try (LogReader reader = log.read(missing.first(), OnDamage.SKIP)) {
            LogRecord record = reader.next();
            while (record != null && !missing.isEmpty() && missing.first() - record.sequence() < READ_ON) {
                if (missing.remove(record.sequence())) {
                    found.put(record.sequence(), record.body());
                }
                missing.headSet(record.sequence()).clear();
                record = reader.next();
            }
            if (record == null) {
                missing.clear();
            }
        }
    }

    /** Forgets entries: recorded by the backend, or among the dead letters. Returns before that is on disk. */
    public void settle(List<Entry> entries) {
        if (entries.isEmpty()) {
            return;
        }
        entries.forEach(entry -> bodies.remove(entry.sequence()));
        entries.forEach(entry -> pending.remove(entry.sequence()));
        note(OutboxRecords.SETTLED, entries.stream().map(Entry::sequence).toList());
    }

    /** Remembers that an entry was sent and not answered at this time. Returns before that is on disk. */
    public void unanswered(Entry entry, long millis) {
        note(OutboxRecords.UNANSWERED, List.of(entry.sequence(), millis));
    }

    private void note(char kind, List<Long> numbers) {
        ForcedAppend append = new ForcedAppend(List.of(
                new dev.flk.wal.Entry(kind, OutboxRecords.NO_KEY, clock.millis(), OutboxRecords.numbers(numbers))));
        append.firstSequence().exceptionally(failure -> {
            limit.say(
                    "append",
                    leftOut -> LOG.error(
                            "outbox append error: {}; after a restart some certificates are sent again{}",
                            failure.getMessage(),
                            leftOut));
            return -1L;
        });
        if (!log.append(append)) {
            append.failed(new IOException("the log takes nothing"));
        }
    }

    /** Bytes of certificates that there is room for. */
    public long maxBytes() {
        return options.maxBytes();
    }

    /** How many entries wait. */
    public int pendingEntries() {
        return pending.size();
    }

    /** Everything that waits, oldest first. */
    public List<Entry> pending() {
        return pending.all();
    }

    /** The entry that has waited longest. */
    public Optional<Entry> oldest() {
        return pending.oldest();
    }

    /** What the disk has lost, a sentence for each stretch. */
    public List<String> losses() {
        return losses.describe();
    }

    /** How many records the disk has lost. */
    public long lostRecords() {
        return losses.records();
    }

    /** Takes nothing more, finishes what is under way and gives the outbox free. */
    @Override
    public void close() throws IOException {
        log.close();
    }
}
