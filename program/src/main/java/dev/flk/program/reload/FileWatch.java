// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.reload;

import dev.flk.program.time.DaemonThreads;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A thread that checks files once a second and on request. The task of {@link #every} must not throw, because an
 * exception ends the regular checks; {@link #secondsSinceLook} then grows without end. Safe for any thread.
 */
public final class FileWatch implements AutoCloseable {
    /**
     * The number of checks after which a file that can't be used is read again although it has not changed: perhaps
     * only reading it has failed.
     */
    public static final int LOOKS_PER_RETRY = 10;

    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.files");
    private static final long LOOK_EVERY_MILLIS = 1_000;

    private final String name;
    private final LongSupplier nanoTicker;
    private final ScheduledExecutorService thread;
    private volatile long lookedNanos;

    /** Creates a watch that checks nothing yet; {@code name} is the name of the thread. */
    public FileWatch(String name, LongSupplier nanoTicker) {
        this.name = name;
        this.nanoTicker = nanoTicker;
        this.lookedNanos = nanoTicker.getAsLong();
        this.thread = Executors.newSingleThreadScheduledExecutor(DaemonThreads.named(name));
    }

    /** Runs {@code look} once a second from now on. */
    public void every(Runnable look) {
        thread.scheduleWithFixedDelay(
                () -> {
                    look.run();
                    lookedNanos = nanoTicker.getAsLong();
                },
                LOOK_EVERY_MILLIS,
                LOOK_EVERY_MILLIS,
                TimeUnit.MILLISECONDS);
    }

    /**
     * Returns the seconds since the end of the last regular check, or since the creation if no regular check has ended.
     * The number grows while a hanging file system blocks the thread.
     */
    public double secondsSinceLook() {
        return (nanoTicker.getAsLong() - lookedNanos) / 1e9;
    }

    /** Runs {@code look} once, as soon as the thread is free. If the watch is closed, logs a line instead. */
    public void now(Runnable look) {
        try {
            thread.execute(look);
        } catch (RejectedExecutionException e) {
            LOG.info("{}: files are not read again because the backend is stopping", name);
        }
    }

    @Override
    public void close() {
        thread.shutdown();
    }
}
