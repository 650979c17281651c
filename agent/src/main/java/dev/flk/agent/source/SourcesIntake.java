// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.source;

import dev.flk.agent.follow.Positions.Sink;
import dev.flk.agent.follow.Source;
import dev.flk.agent.follow.SourceState;
import dev.flk.agent.follow.Sources;
import dev.flk.agent.outbox.CertificateSink;
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

    private final Path directory;
    private final Intake intake;
    private final InstantSource clock;
    private final LongSupplier nanoTicker;
    private final LineLimit limit;
    private final Thread thread = new Thread(this::run, "flk-agent-sources");
    /** Sources that replace the present ones; an empty text of them only wakes the thread. */
    private final LinkedBlockingQueue<Optional<List<Source>>> changes = new LinkedBlockingQueue<>();

    private final CountDownLatch stop = new CountDownLatch(1);
    private volatile List<SourceState> states = List.of();
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
                hasMore = round(sources);
                states = sources.states();
                isIdle = !hasMore && changes.isEmpty();
            }
        } catch (InterruptedException | CancellationException e) {
            LOG.debug("the sources are no longer read", e);
        } catch (RuntimeException | Error e) {
            failure = e;
        }
    }

    private Sources open() throws InterruptedException {
        while (true) {
            try {
                return Sources.open(directory, clock, nanoTicker);
            } catch (IOException e) {
                List<Source> waiting = List.of();
                for (Optional<List<Source>> change : changes) {
                    waiting = change.orElse(waiting);
                }
                states = waiting.stream()
                        .map(source -> SourceState.failed(source.name(), String.valueOf(e.getMessage())))
                        .toList();
                limit.say("open", more -> LOG.error("the sources are not read: {}{}", e.getMessage(), more));
                rest();
            }
        }
    }

    private boolean round(Sources sources) throws InterruptedException {
        try {
            return sources.round(this);
        } catch (IOException e) {
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
                return;
            } catch (IOException e) {
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

    /** Returns whether the last round read all that the files of the sources have at the moment. */
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

    /** Returns the states of the sources at the end of the last round. Any thread. */
    public List<SourceState> states() {
        return states;
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
