// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.agents;

import dev.flk.backend.access.keys.RequestCheck;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.program.time.DaemonThreads;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The reports of a running backend, who may report, and a thread that shares the reports with the other backends of the
 * store every few seconds. A store that is down never delays or refuses a report.
 */
public final class Agents implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.agents");
    private static final Duration SHARE_EVERY = Duration.ofSeconds(5);
    /** The pause is at least this multiple of the time that sharing took, so that many agents do not burden the store. */
    private static final int LEAST_PAUSE = 20;

    private static final long FINISH_SECONDS = 5;

    private final AgentReports reports;
    private final RequestCheck check;
    private final Optional<SharedReports> shared;
    private final AgentMetrics metrics;
    private final ScheduledExecutorService timer =
            Executors.newSingleThreadScheduledExecutor(DaemonThreads.named("agent-reports"));
    /** Whether the last attempt failed; used by the timer's thread only. */
    private boolean isFailing;

    /**
     * Starts to share reports.
     *
     * @param shared the reports in the store; empty if the store is this backend's own
     */
    public Agents(AgentReports reports, RequestCheck check, Optional<SharedReports> shared, AgentMetrics metrics) {
        this.reports = reports;
        this.check = check;
        this.shared = shared;
        this.metrics = metrics;
        shared.ifPresent(store -> timer.execute(() -> shareAndSchedule(store)));
    }

    /** Returns the last reports. */
    public AgentReports reports() {
        return reports;
    }

    /** Returns the check of the reports that arrive. */
    public RequestCheck check() {
        return check;
    }

    private void shareAndSchedule(SharedReports store) {
        long began = System.nanoTime();
        share(store);
        long pause = Math.max(SHARE_EVERY.toNanos(), LEAST_PAUSE * (System.nanoTime() - began));
        if (!timer.isShutdown()) {
            var unused = timer.schedule(() -> shareAndSchedule(store), pause, TimeUnit.NANOSECONDS);
        }
    }

    private void share(SharedReports store) {
        Map<String, AgentReport> newest = reports.takeUnshared();
        Map<String, String> texts = new HashMap<>();
        newest.forEach((id, report) -> texts.put(id, report.shared()));
        try {
            store.exchange(texts, reports::takeShared);
            reports.loaded();
            if (isFailing) {
                LOG.info("the reports of agents are shared with the other backends again");
            }
            isFailing = false;
        } catch (StoreUnavailableException e) {
            failed(newest);
            if (!isFailing) {
                LOG.warn("the reports of agents are not shared with the other backends now: {}", e.getMessage());
            }
            isFailing = true;
        } catch (RuntimeException e) {
            // an exception that leaves this method would end the regular attempts
            failed(newest);
            LOG.error("the reports of agents could not be shared; the next attempt follows", e);
        }
    }

    private void failed(Map<String, AgentReport> newest) {
        metrics.shareFailures.increment();
        reports.putBack(newest);
    }

    /** Shares the last reports, and ends the thread. */
    @Override
    public void close() {
        shared.ifPresent(store -> timer.execute(() -> share(store)));
        timer.shutdown();
        try {
            boolean unused = timer.awaitTermination(FINISH_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        timer.shutdownNow();
        shared.ifPresent(SharedReports::close);
    }
}
