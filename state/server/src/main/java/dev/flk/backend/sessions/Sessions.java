// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions;

import dev.flk.program.time.DaemonThreads;
import dev.flk.state.StateException;
import java.time.Duration;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The sessions of a running backend: their store, their access control, and a thread that counts them. */
public final class Sessions implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.sessions");
    private static final long COUNT_EVERY_SECONDS = 5;

    private final SessionStorage store;
    private final SessionAccess access;
    private final SessionConfig config;
    private final ScheduledExecutorService timer =
            Executors.newSingleThreadScheduledExecutor(DaemonThreads.named("session-counts"));
    private volatile double sessions = Double.NaN;
    private volatile double silent = Double.NaN;

    private Sessions(SessionStorage store, SessionAccess access, SessionConfig config) {
        this.store = store;
        this.access = access;
        this.config = config;
    }

    /** Starts to count sessions every few seconds. */
    public static Sessions start(
            SessionStorage store, SessionAccess access, SessionConfig config, SessionMetrics metrics) {
        Sessions started = new Sessions(store, access, config);
        metrics.sessions.watch(() -> started.sessions);
        metrics.silent.watch(() -> started.silent);
        var unused = started.timer.scheduleWithFixedDelay(started::count, 0, COUNT_EVERY_SECONDS, TimeUnit.SECONDS);
        return started;
    }

    public SessionStorage store() {
        return store;
    }

    public SessionAccess access() {
        return access;
    }

    /** Returns the lifetime of a session. */
    public Duration ttl() {
        return config.ttl();
    }

    /** Returns the time without an update after which a session counts as silent. */
    public Duration silentAfter() {
        return config.silentAfter();
    }

    private void count() {
        try {
            SessionStorage.Counts counts = store.count(config.silentAfter());
            sessions = counts.sessions();
            silent = counts.silent();
        } catch (StateException e) {
            // the state's own log lines and metrics report its outage
            sessions = Double.NaN;
            silent = Double.NaN;
        } catch (RuntimeException e) {
            // an exception that leaves this method would end the regular counts
            LOG.error("the sessions could not be counted; the count will be retried", e);
        }
    }

    @Override
    public void close() {
        timer.shutdownNow();
    }
}
