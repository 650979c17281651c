// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.copy;

import dev.flk.backend.inbox.Inbox;
import dev.flk.backend.inbox.SafeEnd;
import dev.flk.copy.CopyRecord.Claim;
import dev.flk.copy.CopyStart.Started;
import dev.flk.copy.CopyTopic;
import dev.flk.copy.LogCopy;
import dev.flk.copy.LogCopy.Place;
import dev.flk.copy.LogSource;
import dev.flk.wal.Log;
import dev.flk.wal.Log.Active;
import dev.flk.wal.files.FileOps;
import dev.flk.wal.files.LockLostException;
import dev.flk.wal.segment.DeclaredLosses;
import java.io.IOException;
import java.time.InstantSource;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The inbox log that is copied, on a thread of its own. Its {@link SafeEnd} is the end of what is copied; if the copy is
 * not required, or while everything is copied again because the topic has lost it, it is the end of what is on disk.
 */
public final class CopiedLog implements SafeEnd, LogCopy.Listener, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.copy");
    private static final long IDLE_NANOS = TimeUnit.MILLISECONDS.toNanos(100);
    private static final long NOTE_EVERY_NANOS = TimeUnit.SECONDS.toNanos(1);
    private static final long TRIM_EVERY_NANOS = TimeUnit.MINUTES.toNanos(1);
    private static final long FINISH_MILLIS = 2_000;

    private final FileOps files;
    private final Log log;
    private final CopyTopic topic;
    private final String identity;
    private final LogSource source;
    private final LogCopy copy;
    private final LongSupplier nanoTicker;
    private final boolean isRequired;
    private final Thread thread = new Thread(this::run, "log-copy");

    /** What is on disk and not copied, in the order of the log. */
    private final Queue<Forced> forced = new ConcurrentLinkedQueue<>();

    private volatile long copiedUpTo;
    private volatile @Nullable Place copiesAgainUpTo;
    private volatile boolean isOwned = true;
    private volatile boolean closing;
    private volatile Runnable listener = () -> {};
    private @Nullable String told;
    private Place noted = Place.BEGINNING;
    private long notedNanos;
    private long trimmedNanos;

    /** What was forced up to a place. */
    private record Forced(Place place, long last) {}

    /**
     * Creates the copy of an open log; {@link #completeStart} and {@link #start} must follow.
     *
     * @param topic owned by this object
     * @param identity what identifies the topic
     */
    CopiedLog(
            FileOps files,
            Inbox inbox,
            CopyTopic topic,
            String identity,
            Started started,
            boolean isRequired,
            InstantSource clock,
            LongSupplier nanoTicker) {
        this.files = files;
        this.log = inbox.log();
        this.topic = topic;
        this.identity = identity;
        this.isRequired = isRequired;
        this.nanoTicker = nanoTicker;
        this.source = new LogSource(files, log, Inbox.SEGMENT_PREFIX, CopiedLog::isAttached);
        this.copy = new LogCopy(
                topic,
                source,
                started.claim(),
                started.from(),
                started.begins(),
                started.next(),
                clock,
                nanoTicker,
                this);
        this.notedNanos = nanoTicker.getAsLong();
        this.trimmedNanos = notedNanos;
        this.copiedUpTo = 0;
        forced(inbox.last());
    }

    private static boolean isAttached(String name) {
        return name.equals(Inbox.MARK_FILE) || name.startsWith(Inbox.SEGMENT_PREFIX + DeclaredLosses.NAME);
    }

    /**
     * Copies everything that the log has, unless the copy is not required. Blocks until it is copied.
     *
     * @throws IOException if another backend claims the log meanwhile
     */
    void completeStart() throws IOException {
        while (!isStartComplete()) {
            if (!step()) {
                LockSupport.parkNanos(this, TimeUnit.MILLISECONDS.toNanos(1));
            }
        }
    }

    /** Returns whether everything that the log had at the start is copied, if it must be. */
    boolean isStartComplete() throws IOException {
        if (!isOwned) {
            throw new IOException(problem().orElse("another backend owns the log"));
        }
        return !isRequired || forced.isEmpty();
    }

    CopiedLog start() {
        thread.setDaemon(true);
        thread.start();
        return this;
    }

    private void run() {
        while (!closing && isOwned) {
            if (!step()) {
                LockSupport.parkNanos(this, IDLE_NANOS);
            }
        }
    }

    /**
     * Takes the steps that are possible without waiting; returns false if there was nothing to do. Called by the thread
     * of this object, or by a simulation.
     */
    boolean step() {
        boolean isDone;
        try {
            isDone = copy.step();
            keep();
        } catch (RuntimeException | VirtualMachineError e) { // may be temporary, such as a lack of memory
            LOG.error("copying the log failed and will be retried", e);
            isDone = false;
        }
        tell();
        return isDone;
    }

    /** Stores how far the log is copied, and trims the topic, if that is due. */
    private void keep() {
        long now = nanoTicker.getAsLong();
        Place safe = copy.safe();
        try {
            if (now - notedNanos >= NOTE_EVERY_NANOS && !safe.equals(noted)) {
                notedNanos = now;
                noted = safe;
                copy.keepNote(files, log.directory(), Inbox.SEGMENT_PREFIX, identity);
            }
            if (now - trimmedNanos >= TRIM_EVERY_NANOS) {
                trimmedNanos = now;
                source.from(0).stream()
                        .findFirst()
                        .ifPresent(oldest -> copy.trimBefore(oldest.segment().ordinal()));
            }
        } catch (IOException | CopyTopic.CopyUnavailableException e) {
            LOG.warn("the upkeep of the copy failed and will be retried: {}", e.getMessage());
        }
    }

    /** Logs a new problem, and its end. */
    private void tell() {
        String problem = copy.problem().orElse(null);
        if (problem != null && !problem.equals(told)) {
            LOG.error("Error reaching Kafka: {}", problem);
            listener.run();
        } else if (problem == null && told != null) {
            LOG.info("the log is copied again");
        }
        told = problem;
    }

    @Override
    public long sequence() {
        return isOwned && (!isRequired || copiesAgainUpTo != null) ? Long.MAX_VALUE : copiedUpTo;
    }

    /** Returns the sequence up to which everything is copied. */
    public long copiedUpTo() {
        return copiedUpTo;
    }

    /** Returns why nothing is copied; empty while it is copied. */
    @Override
    public Optional<String> problem() {
        return copy.problem();
    }

    /** Returns what operators should know although certificates are accepted; empty if everything is copied in time. */
    public Optional<String> warning() {
        return copiesAgainUpTo == null
                ? Optional.empty()
                : Optional.of("everything is copied again, because the topic had lost it; records after " + copiedUpTo
                        + " are only on this disk");
    }

    @Override
    public boolean isOwned() {
        return isOwned;
    }

    @Override
    public void whenMoved(Runnable callback) {
        listener = callback;
    }

    @Override
    public void forced(long last) {
        Active active = log.active();
        forced.add(
                new Forced(new Place(active.header().ordinal(), active.header().id(), active.end(), true), last));
        LockSupport.unpark(thread);
    }

    @Override
    public void answered() {
        LockSupport.unpark(thread);
    }

    @Override
    public void safe(Place place) {
        Place again = copiesAgainUpTo;
        if (again != null && again.compareTo(place) <= 0) {
            copiesAgainUpTo = null;
            LOG.info("everything is copied again");
        }
        boolean isMoved = false;
        for (Forced first = forced.peek();
                first != null && first.place().compareTo(place) <= 0;
                first = forced.peek()) {
            copiedUpTo = first.last();
            Forced unused = forced.poll();
            isMoved = true;
        }
        if (isMoved) {
            listener.run();
        }
    }

    @Override
    public void lost(String what) {
        Active active = log.active();
        copiesAgainUpTo = new Place(active.header().ordinal(), active.header().id(), active.end(), true);
        copiedUpTo = 0;
        LOG.error(
                "{}. Everything that this machine retains is copied again; until then, records are answered although"
                        + " they are only on this disk",
                what);
        listener.run();
    }

    @Override
    public void superseded(Claim by) {
        isOwned = false;
        log.giveUp(new LockLostException("another backend owns the log: instance " + by.instance() + " on " + by.host()
                + " has claimed it. What only this machine has was never answered: move " + log.directory()
                + " away before this backend starts again"));
        listener.run();
    }

    @Override
    public void close() {
        closing = true;
        LockSupport.unpark(thread);
        try {
            thread.join(FINISH_MILLIS);
            if (!thread.isAlive()) {
                copy.keepNote(files, log.directory(), Inbox.SEGMENT_PREFIX, identity);
                source.close();
            }
        } catch (IOException e) {
            LOG.warn(
                    "how far the log is copied could not be stored; the next start reads more of the topic: {}",
                    e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            topic.close();
        }
    }
}
