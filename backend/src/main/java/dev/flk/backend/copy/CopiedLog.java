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
import dev.flk.wal.segment.DeclaredLosses;
import java.io.IOException;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The copy of the inbox log, which a thread of its own writes. Its {@link SafeEnd} is the end of the copied records; if
 * the copy is not required, or while all records are copied again because the topic has lost them, it is the end of the
 * records on disk.
 */
public final class CopiedLog implements SafeEnd, LogCopy.Listener, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.copy");
    private static final long IDLE_NANOS = TimeUnit.MILLISECONDS.toNanos(100);
    private static final long NOTE_EVERY_NANOS = TimeUnit.SECONDS.toNanos(1);
    private static final long TRIM_EVERY_NANOS = TimeUnit.MINUTES.toNanos(1);
    private static final long CHECK_EVERY_NANOS = TimeUnit.SECONDS.toNanos(1);
    private static final long FINISH_MILLIS = 2_000;

    /** The age of records that are not copied from which on it is reported, if the copy is not required. */
    private static final long LATE_SECONDS = 10;

    /** The most groups whose places are remembered one by one; a long outage must not fill the memory. */
    private static final int MOST_FORCED = 10_000;
    /**
     * The time without an acknowledgement after which submissions are answered with an error: earlier than Kafka's
     * client gives up, and than senders do, whose requests end after ten seconds by default.
     */
    private static final long SILENT_NANOS = TimeUnit.SECONDS.toNanos(5);

    private final FileOps files;
    private final Log log;
    private final CopyTopic topic;
    private final CopyOpening.Check check;
    private String identity;
    private final LogSource source;
    private final LogCopy copy;
    private final LongSupplier nanoTicker;
    private final boolean isRequired;
    private final long term;

    /** The end of the log at its start. */
    private final Place startedAt;

    private final Thread thread = new Thread(this::run, "log-copy");

    /** The ends of the groups that are on disk and not copied, in the order of the log; guarded by itself. */
    private final Deque<Forced> forced = new ArrayDeque<>();

    /** The end of the records on disk; set while {@link #forced} is held. */
    private volatile Forced newest;

    private volatile long copiedUpTo;

    /** The sequence up to which records were safe when the topic lost them; guarded by {@link #forced}. */
    private long safeBefore;

    /** The end of the records that are copied again because the topic has lost them; null while nothing is lost. */
    private volatile @Nullable Forced copiedAgain;

    /**
     * Why the topic does not keep what it acknowledges; null if it does. It is checked again after it has lost entries,
     * because the brokers may have created it again with other settings. Until then, nothing counts as copied.
     */
    private volatile @Nullable String topicProblem;

    private long checkedNanos;
    private final AtomicLong losses = new AtomicLong();
    private volatile boolean isOwned = true;
    private volatile boolean closing;
    private volatile Runnable listener = () -> {};
    private @Nullable String reported;
    private String upkeepProblem = "";
    private Place noted = Place.BEGINNING;
    private long notedNanos;
    private long trimmedNanos;

    /**
     * The end of a group that was forced.
     *
     * @param last the last sequence before the place
     * @param nanos when it was forced
     */
    private record Forced(Place place, long last, long nanos) {}

    /**
     * Creates the copy of an open log; {@link #completeStart} and {@link #start} must follow.
     *
     * @param topic owned by this object
     * @param check the check of the topic's settings, repeated after the topic has lost entries
     * @param identity what identifies the topic
     */
    CopiedLog(
            FileOps files,
            Inbox inbox,
            CopyTopic topic,
            CopyOpening.Check check,
            String identity,
            Started started,
            boolean isRequired,
            InstantSource clock,
            LongSupplier nanoTicker) {
        this.files = files;
        this.log = inbox.log();
        this.topic = topic;
        this.check = check;
        this.identity = identity;
        this.isRequired = isRequired;
        this.nanoTicker = nanoTicker;
        this.term = started.claim().term();
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
        this.newest = end(inbox.last());
        this.startedAt = newest.place();
        forced.add(newest);
        if (started.lost().isPresent()) {
            copiedAgain = newest;
            losses.incrementAndGet();
        }
    }

    private Forced end(long last) {
        Active active = log.active();
        return new Forced(
                new Place(active.header().ordinal(), active.header().id(), active.end(), true),
                last,
                nanoTicker.getAsLong());
    }

    private static boolean isAttached(String name) {
        return name.equals(Inbox.MARK_FILE) || name.startsWith(Inbox.SEGMENT_PREFIX + DeclaredLosses.NAME);
    }

    /**
     * Copies everything that the log has, unless the copy is not required or everything is copied again. Blocks until it
     * is copied.
     *
     * @throws SupersededException if another backend claims the log meanwhile
     */
    void completeStart() throws IOException {
        while (!isStartComplete()) {
            if (Thread.currentThread().isInterrupted()) {
                throw new IOException("the start was interrupted while the log was copied");
            }
            if (!step()) {
                await();
            }
        }
    }

    /** Returns whether everything that the log had at the start is copied, if it must be. */
    boolean isStartComplete() throws IOException {
        if (!isOwned) {
            throw log.lockLost().orElseThrow();
        }
        return !isRequired || copiedAgain != null || copy.safe().compareTo(startedAt) >= 0;
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
            checkTopic();
            isDone = copy.step();
            release(); // also what was forced only after it was copied
            keep();
        } catch (RuntimeException | VirtualMachineError e) { // may be temporary, such as a lack of memory
            LOG.error("copying the log failed and will be retried", e);
            isDone = false;
        }
        tell();
        return isDone;
    }

    /** Checks the topic again after it has lost entries, until it keeps what it acknowledges. */
    private void checkTopic() {
        String problem = topicProblem;
        long now = nanoTicker.getAsLong();
        if (problem == null || now - checkedNanos < CHECK_EVERY_NANOS) {
            return;
        }
        checkedNanos = now;
        try {
            check.run();
            identity = topic.identity();
            topicProblem = null;
            if (isRequired) {
                LOG.error("until everything is copied again, records are answered although they are only on this disk");
            }
            listener.run();
        } catch (IOException | CopyTopic.CopyUnavailableException e) {
            String found = String.valueOf(e.getMessage());
            topicProblem = found;
            if (!found.equals(problem)) {
                LOG.error("nothing is {} until the topic is mended: {}", isRequired ? "answered" : "copied", found);
                listener.run();
            }
        }
    }

    /** Stores how far the log is copied, and trims the topic, if that is due. */
    private void keep() {
        long now = nanoTicker.getAsLong();
        Place safe = copy.safe();
        try {
            if (now - notedNanos >= NOTE_EVERY_NANOS && !safe.equals(noted)) {
                notedNanos = now;
                log.requireOwned();
                copy.keepNote(files, log.directory(), Inbox.SEGMENT_PREFIX, identity);
                noted = safe;
                upkeepProblem = "";
            }
            if (now - trimmedNanos >= TRIM_EVERY_NANOS) {
                trimmedNanos = now;
                source.from(0).stream()
                        .findFirst()
                        .ifPresent(oldest -> copy.trimBefore(oldest.segment().ordinal()));
            }
        } catch (IOException | CopyTopic.CopyUnavailableException e) {
            String problem = String.valueOf(e.getMessage());
            if (!problem.equals(upkeepProblem)) {
                LOG.warn("the upkeep of the copy failed and will be retried: {}", problem);
            }
            upkeepProblem = problem;
        }
    }

    /** Logs a new problem, and its end. */
    private void tell() {
        String problem = topicProblem == null ? copy.problem().orElse(null) : reported;
        if (problem != null && !problem.equals(reported)) {
            LOG.error("{}{}", isOwned ? "Error reaching Kafka: " : "", problem);
            listener.run();
        } else if (problem == null && reported != null) {
            LOG.info("the log is copied again");
        }
        reported = problem;
    }

    @Override
    public long sequence() {
        if (isOwned && isAnsweredAtOnce()) {
            return Long.MAX_VALUE;
        }
        synchronized (forced) {
            return Math.max(safeBefore, copiedUpTo);
        }
    }

    private boolean isAnsweredAtOnce() {
        return !isRequired || (copiedAgain != null && topicProblem == null);
    }

    /** Returns the term of the claim with which this process owns the log, or has owned it. */
    public long term() {
        return term;
    }

    /** Returns the sequence up to which everything is copied. */
    public long copiedUpTo() {
        return copiedUpTo;
    }

    /** Returns why nothing is copied; empty while it is copied. */
    @Override
    public Optional<String> problem() {
        Optional<String> known = Optional.ofNullable(topicProblem).or(copy::problem);
        boolean isSilent = copiedAgain == null && behindSeconds() * 1e9 > SILENT_NANOS;
        return known.isEmpty() && isSilent
                ? Optional.of(topic.message("records have waited for an acknowledgement for more than "
                        + TimeUnit.NANOSECONDS.toSeconds(SILENT_NANOS) + " seconds; check that the brokers run"))
                : known;
    }

    /** Returns why nothing is accepted; empty if certificates are accepted, perhaps with a {@link #warning}. */
    public Optional<String> outage() {
        return isOwned && isAnsweredAtOnce() ? Optional.empty() : problem();
    }

    /** Returns what operators should know although certificates are accepted; empty if everything is copied in time. */
    public Optional<String> warning() {
        String cause = problem().map(problem -> ": " + problem).orElse("");
        if (copiedAgain != null) {
            return Optional.of("everything is copied again, because the topic had lost it; records after " + copiedUpTo
                    + " are only on this disk" + cause);
        }
        boolean isBehind = !isRequired && (!cause.isEmpty() || behindSeconds() > LATE_SECONDS);
        return isBehind
                ? Optional.of("records after " + copiedUpTo + " are not copied and only on this disk" + cause)
                : Optional.empty();
    }

    /** Returns the number of records that are on disk and not copied. */
    long behindRecords() {
        return Math.max(0, newest.last() - copiedUpTo);
    }

    /** Returns the age of the oldest record that is on disk and not copied; 0 if all are copied. */
    double behindSeconds() {
        Forced oldest = copiedAgain;
        if (oldest == null) {
            synchronized (forced) {
                oldest = forced.peekFirst();
            }
        }
        return oldest == null ? 0 : (nanoTicker.getAsLong() - oldest.nanos()) / 1e9;
    }

    /** Returns the number of groups that are remembered because they are not copied. */
    int forcedGroups() {
        synchronized (forced) {
            return forced.size();
        }
    }

    /** Returns how often the topic had lost what it had acknowledged. */
    long losses() {
        return losses.get();
    }

    @Override
    public boolean isOwned() {
        return isOwned;
    }

    @Override
    public void await() {
        LockSupport.parkNanos(this, TimeUnit.MILLISECONDS.toNanos(1));
    }

    @Override
    public void whenMoved(Runnable callback) {
        listener = callback;
    }

    @Override
    public void forced(long last) {
        Forced group = end(last);
        synchronized (forced) {
            newest = group;
            Forced before = forced.size() < MOST_FORCED ? null : forced.pollLast();
            forced.addLast(before == null ? group : new Forced(group.place(), last, before.nanos()));
        }
        LockSupport.unpark(thread);
    }

    @Override
    public void answered() {
        LockSupport.unpark(thread);
    }

    @Override
    public void safe(Place place) {
        release();
    }

    /** Raises the sequence up to which everything is copied. */
    private void release() {
        if (topicProblem != null) {
            return;
        }
        Place safe = copy.safe();
        long upTo = copiedUpTo;
        synchronized (forced) {
            for (Forced first = forced.peekFirst();
                    first != null && first.place().compareTo(safe) <= 0;
                    first = forced.peekFirst()) {
                upTo = first.last();
                Forced unused = forced.pollFirst();
            }
        }
        Forced again = copiedAgain;
        long before = copiedUpTo;
        if (again != null && again.place().compareTo(safe) <= 0) {
            copiedUpTo = Math.max(upTo, again.last());
            copiedAgain = null; // only now, or the end would fall below what is answered
            LOG.info("everything is copied again");
        } else {
            copiedUpTo = upTo;
        }
        if (copiedUpTo > before) {
            listener.run();
        }
    }

    @Override
    public void lost(String what) {
        synchronized (forced) {
            Forced end = newest;
            // what was answered, although it was never copied, is no longer in flight and must not become unsafe
            safeBefore = Math.max(safeBefore, isAnsweredAtOnce() ? end.last() : copiedUpTo);
            copiedAgain = new Forced(end.place(), end.last(), nanoTicker.getAsLong());
            copiedUpTo = 0;
            topicProblem = "the topic has lost entries and is checked again";
        }
        checkedNanos = nanoTicker.getAsLong() - CHECK_EVERY_NANOS;
        losses.incrementAndGet();
        LOG.error("{}. Everything that this machine retains is copied again", what);
        listener.run();
    }

    @Override
    public void superseded(Claim by) {
        isOwned = false;
        log.giveUp(new SupersededException("another backend owns the log: instance " + by.instance() + " on "
                + by.host() + " has claimed it. What only this machine has was never answered: move " + log.directory()
                + " away before this backend starts again"));
        listener.run();
    }

    @Override
    public void ended() {
        closing = true;
        LockSupport.unpark(thread);
        try {
            thread.join(FINISH_MILLIS);
            if (thread.isAlive()) {
                thread.interrupt(); // it waits for the brokers
                thread.join(FINISH_MILLIS);
            }
            if (!thread.isAlive()) {
                log.requireOwned();
                copy.keepNote(files, log.directory(), Inbox.SEGMENT_PREFIX, identity);
                source.close();
            }
        } catch (IOException e) {
            LOG.warn(
                    "how far the log is copied could not be stored; the next start reads more of the topic: {}",
                    e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void close() {
        if (!closing) { // the start failed before there was a pipeline
            ended();
        }
        topic.close();
    }
}
