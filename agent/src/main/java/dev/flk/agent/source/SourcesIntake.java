// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.source;

import dev.flk.agent.follow.Positions.Sink;
import dev.flk.agent.follow.Source;
import dev.flk.agent.follow.SourceState;
import dev.flk.agent.follow.Sources;
import dev.flk.agent.outbox.certificate.CertificateSink;
import dev.flk.program.logging.LineLimit;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The intake of all sources on one thread of its own, so that sending continues and the process can still end if a file
 * system hangs.
 */
public final class SourcesIntake implements Sink, Closeable {
    private static final Logger LOG = LoggerFactory.getLogger(SourcesIntake.class);
    private static final long LOOK_EVERY_MILLIS = 500;
    private static final long LONGEST_CLOSE_MILLIS = 1000;
    private static final long PUBLISH_EVERY_NANOS = 1_000_000_000;
    private static final long HANGS_AFTER_SECONDS = 60;

    private final Path directory;
    private final Intake intake;
    private final InstantSource clock;
    private final LongSupplier nanoTicker;
    private final LineLimit limit;
    private final Thread thread = new Thread(this::run, "flk-agent-sources");
    /** Sources that replace the present ones; an empty value only wakes the thread. */
    private final LinkedBlockingQueue<Optional<List<Source>>> changes = new LinkedBlockingQueue<>();

    private final CountDownLatch stop = new CountDownLatch(1);
    /** The states after some turn, and the time of that turn. */
    private volatile List<SourceState> states = List.of();

    private volatile long turnNanos;
    /** Why certificates or positions can't be stored; null if they can. */
    private volatile @Nullable String blocked;

    private volatile boolean isIdle;
    private volatile @Nullable Throwable failure;

    private SourcesIntake(
            Path directory,
            List<Source> sources,
            CertificateSink outbox,
            InstantSource clock,
            LongSupplier nanoTicker) {
        this.directory = directory;
        this.intake = new Intake(outbox);
        this.clock = clock;
        this.nanoTicker = nanoTicker;
        this.limit = LineLimit.ofOutages(nanoTicker);
        changes.add(Optional.of(sources));
        thread.setDaemon(true);
    }

    /**
     * Starts an intake, which runs until it is stopped.
     *
     * @param directory the directory for positions, and for lines that are not certified; created if it is missing
     */
    public static SourcesIntake start(
            Path directory,
            List<Source> sources,
            CertificateSink outbox,
            InstantSource clock,
            LongSupplier nanoTicker) {
        SourcesIntake started = new SourcesIntake(directory, sources, outbox, clock, nanoTicker);
        started.thread.start();
        return started;
    }

    private void run() {
        try (Sources sources = open()) {
            boolean hasMore = false;
            while (!isClosed()) {
                Optional<List<Source>> next = changes.poll(hasMore ? 0 : LOOK_EVERY_MILLIS, TimeUnit.MILLISECONDS);
                if (next != null) {
                    next.ifPresent(sources::use);
                }
                List<SourceState> before = states;
                hasMore = round(sources);
                publish(sources);
                // the next file of a rotation is read only after a second look, so a single round proves nothing
                isIdle = !hasMore && states.equals(before) && !sources.isWaiting() && changes.isEmpty();
            }
        } catch (InterruptedException | CancellationException e) {
            LOG.debug("the sources are no longer read", e);
        } catch (RuntimeException | Error e) {
            LOG.error("reading the sources has failed", e);
            failure = e;
        }
    }

    private Sources open() throws InterruptedException {
        while (true) {
            try {
                turnNanos = nanoTicker.getAsLong();
                return Sources.open(directory, clock, nanoTicker, this::afterTurn);
            } catch (IOException e) {
                List<Source> waiting = List.of();
                for (Optional<List<Source>> change : changes) {
                    waiting = change.orElse(waiting);
                }
                states = waiting.stream()
                        .map(source -> SourceState.unread(source.name(), String.valueOf(e.getMessage())))
                        .toList();
                isIdle = true; // nothing is read until an operator acts
                limit.say("open", more -> LOG.error("the sources are not read: {}{}", e.getMessage(), more));
                rest();
            }
        }
    }

    private boolean round(Sources sources) throws InterruptedException {
        try {
            boolean hasMore = sources.round(this);
            blocked = null;
            return hasMore;
        } catch (IOException e) {
            blocked = "the positions can't be stored: " + e.getMessage();
            limit.say(
                    "positions",
                    more -> LOG.error("the positions of the sources can't be stored: {}{}", e.getMessage(), more));
            return false;
        }
    }

    /** Adds certificates; tries again until they are on disk or the intake is stopped. */
    @Override
    public void add(List<byte[]> certificates) {
        Deque<byte[]> waiting = new ArrayDeque<>(certificates);
        while (true) {
            try {
                intake.addFrom(waiting);
                blocked = null;
                return;
            } catch (IOException e) {
                blocked = "its certificates wait for the outbox: " + e.getMessage();
                turnNanos = nanoTicker.getAsLong();
                limit.say(
                        "outbox",
                        more -> LOG.warn("certificates of sources wait for the outbox: {}{}", e.getMessage(), more));
            }
            try {
                rest();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new CancellationException("the intake of the sources was stopped");
            }
        }
    }

    @Override
    public boolean isClosed() {
        return stop.getCount() == 0;
    }

    /** Waits until the next attempt; throws if the intake is stopped. */
    private void rest() throws InterruptedException {
        if (stop.await(LOOK_EVERY_MILLIS, TimeUnit.MILLISECONDS)) {
            throw new CancellationException("the intake of the sources was stopped");
        }
    }

    /** Replaces the sources at the end of the current round. Those that did not change continue. */
    public void use(List<Source> sources) {
        isIdle = false;
        changes.add(Optional.of(sources));
    }

    /** Returns whether all that the files of the sources have at the moment is read. */
    public boolean isIdle() {
        return isIdle;
    }

    /** Throws an {@link IllegalStateException} if an unexpected error has ended the intake. */
    public void requireNoFailure() {
        Throwable found = failure;
        if (found != null) {
            throw new IllegalStateException("reading the sources has failed", found);
        }
    }

    private void publish(Sources sources) {
        states = sources.states();
        turnNanos = nanoTicker.getAsLong();
    }

    /** Publishes the states, at most once a second. */
    private void afterTurn(Sources sources) {
        if (nanoTicker.getAsLong() - turnNanos > PUBLISH_EVERY_NANOS) {
            publish(sources);
        }
    }

    /**
     * Returns the states of the sources, at most about a second old. If reading one file takes too long, or nothing can
     * be stored, every source without a problem of its own reports this problem. Any thread.
     */
    public List<SourceState> states() {
        long seconds = TimeUnit.NANOSECONDS.toSeconds(nanoTicker.getAsLong() - turnNanos);
        String common = seconds < HANGS_AFTER_SECONDS
                ? blocked
                : "no file was read for " + seconds + " s, perhaps because a file system hangs";
        return common == null
                ? states
                : states.stream()
                        .map(state -> state.problem() == null ? state.with(common) : state)
                        .toList();
    }

    /** Makes the intake end after the turn of a file. Does not wait for the end. */
    public void stop() {
        stop.countDown();
        changes.add(Optional.empty()); // wakes the thread
    }

    /** Stops the intake, and waits at most one second for the end of the current turn. */
    @Override
    public void close() {
        stop();
        try {
            thread.join(LONGEST_CLOSE_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
