// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import dev.flk.backend.logs.Logs;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.backend.serve.BackendServer.Readiness;
import dev.flk.backend.serve.page.LogsView;
import dev.flk.backend.serve.page.NowView;
import dev.flk.backend.serve.page.Problems;
import dev.flk.backend.serve.page.Rates;
import dev.flk.backend.serve.page.VerdictMinutes;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.Samples;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The view <i>Now</i> and the memory that it needs: the numbers of each minute, and since when each problem exists. It
 * looks once a minute, whether or not a page is open. Safe for any thread.
 */
final class NowWatch {
    private static final Logger LOG = LoggerFactory.getLogger(NowWatch.class);
    private static final long COUNT_EVERY_SECONDS = 2;
    private static final double MOST_BEHIND_SECONDS = 1e9;

    private final Readiness readiness;
    private final Supplier<Optional<Logs>> logs;
    private final Supplier<Optional<RecordedOutcomes>> record;
    private final Metrics metrics;
    private final InstantSource clock;
    private final VerdictMinutes verdicts = new VerdictMinutes();
    private final Problems problems = new Problems();

    private @Nullable Rates rates;

    NowWatch(BackendServer.Parts parts) {
        this.readiness = parts.readiness();
        this.logs = () -> parts.features().get().logs();
        this.record = () -> parts.features().get().record();
        this.metrics = parts.metrics().all();
        this.clock = parts.clock();
    }

    /** Begins to look once a minute, on a thread of {@code executor}. */
    void start(ScheduledExecutorService executor) {
        executor.execute(this::rates);
        var unused = executor.scheduleAtFixedRate(this::endMinute, 1, 1, TimeUnit.MINUTES);
        unused = executor.scheduleWithFixedDelay(
                this::countRecord, COUNT_EVERY_SECONDS, COUNT_EVERY_SECONDS, TimeUnit.SECONDS);
    }

    private void endMinute() {
        try {
            Instant at = clock.instant();
            Samples samples = metrics.read();
            rates().endMinute(at, samples);
            var unused = NowView.problems(at, parts(), logs(at), samples, rates(), verdicts.snapshot(), problems);
        } catch (RuntimeException e) {
            // an exception thrown here would cancel the scheduled task
            LOG.error(
                    "the page could not count the certificates of the last minute; they are added to the next one", e);
        }
    }

    private void countRecord() {
        try {
            record.get().ifPresent(found -> verdicts.count(found, clock.instant(), this::behind));
        } catch (RecordUnavailableException e) {
            LOG.debug("the outcomes of the last minutes could not be counted; they will be", e);
        } catch (RuntimeException e) {
            // an exception thrown here would cancel the scheduled task
            LOG.error("the page could not count the outcomes of the last minutes; it tries again", e);
        }
    }

    /** Returns for how long certificates may wait until they are in the record. */
    private Duration behind() {
        Samples samples = metrics.read();
        double seconds =
                samples.sum("flk_record_lag_seconds") + Math.max(0, samples.sum("flk_inbox_oldest_pending_seconds"));
        return Duration.ofSeconds(Double.isNaN(seconds) ? 0 : (long) Math.min(MOST_BEHIND_SECONDS, seconds));
    }

    private synchronized Rates rates() {
        Rates known = rates;
        if (known == null) {
            known = new Rates(clock.instant(), metrics.read());
            rates = known;
        }
        return known;
    }

    private List<NowView.Part> parts() {
        return readiness.components().stream()
                .filter(each -> each.isNeeded() || !each.ready())
                .map(each -> new NowView.Part(each.name(), each.ready(), each.detail()))
                .toList();
    }

    private Optional<LogsView> logs(Instant at) {
        return logs.get().flatMap(found -> LogsView.of(found, at));
    }

    NowView view() {
        Instant at = clock.instant();
        return NowView.of(at, parts(), logs(at), metrics.read(), rates(), verdicts.snapshot(), problems);
    }
}
