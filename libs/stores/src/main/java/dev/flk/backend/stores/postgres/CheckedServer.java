// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.stores.postgres;

import dev.flk.backend.stores.postgres.PostgresCheck.Finding;
import dev.flk.backend.stores.postgres.PostgresCheck.Grade;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.Metrics.Sample;
import dev.flk.program.time.DaemonThreads;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A check of the server that is repeated every five minutes. The gauge {@code flk_postgres_check} has a sample for each
 * point of the checklist: 1 if the measured value is within the limit, 0 if it is not, and NaN if the point could not
 * be measured or is not checked.
 */
public final class CheckedServer implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(CheckedServer.class);
    private static final Duration EVERY = Duration.ofMinutes(5);
    private static final Duration FIRST_AFTER = Duration.ofSeconds(30);

    private final PostgresCheck check;
    private final CheckMetrics metrics;
    private final ScheduledExecutorService timer =
            Executors.newSingleThreadScheduledExecutor(DaemonThreads.named("postgres-check"));

    /** The samples of {@code flk_postgres_check}; none before the first check. */
    public static final class CheckMetrics extends Metrics.Feature {
        private volatile List<Sample> samples = List.of();

        public CheckMetrics(Metrics metrics) {
            super(metrics);
            gaugeFamily(
                    "flk_postgres_check",
                    "1 if this point of the checklist of Postgres is within its limit, 0 if not.",
                    List.of("point"),
                    () -> samples);
        }
    }

    private CheckedServer(PostgresCheck check, CheckMetrics metrics) {
        this.check = check;
        this.metrics = metrics;
    }

    /**
     * Starts the checks. The first check runs after half a minute, because the backend has usually migrated the tables
     * by then.
     */
    public static CheckedServer start(PostgresCheck check, CheckMetrics metrics) {
        CheckedServer checked = new CheckedServer(check, metrics);
        checked.timer.scheduleWithFixedDelay(
                checked::look, FIRST_AFTER.toSeconds(), EVERY.toSeconds(), TimeUnit.SECONDS);
        return checked;
    }

    /** Checks the server once and replaces the samples. Called by the timer. */
    void look() {
        try {
            metrics.samples = check.run().stream().map(CheckedServer::sample).toList();
        } catch (IOException e) { // the stores report why the server can't be used
            metrics.samples = unknown();
        } catch (RuntimeException e) { // if this exception propagated, the timer would stop without a message
            LOG.error("the check of Postgres failed and will be retried", e);
            metrics.samples = unknown();
        }
    }

    private List<Sample> unknown() {
        return check.points().stream()
                .map(point -> new Sample(List.of(point), Double.NaN))
                .toList();
    }

    private static Sample sample(Finding finding) {
        double value = finding.grade() == Grade.OK ? 1 : finding.grade() == Grade.BAD ? 0 : Double.NaN;
        return new Sample(List.of(finding.point()), value);
    }

    @Override
    public void close() {
        timer.shutdownNow();
    }
}
