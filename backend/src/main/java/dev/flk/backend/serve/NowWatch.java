// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import dev.flk.backend.ingest.RecentRefusals;
import dev.flk.backend.ingest.RefusedSubmissions;
import dev.flk.backend.logs.LogEntry.Figures;
import dev.flk.backend.logs.Logs;
import dev.flk.backend.outcomes.record.ChangedShards;
import dev.flk.backend.outcomes.record.ChangedShards.Changed;
import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeQuery.Order;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.backend.outcomes.review.Reviews;
import dev.flk.backend.serve.guard.Readiness;
import dev.flk.backend.serve.page.ReviewGroups.WaitingShards;
import dev.flk.backend.serve.page.ShardsView;
import dev.flk.backend.serve.page.now.LogsView;
import dev.flk.backend.serve.page.now.Minutes;
import dev.flk.backend.serve.page.now.NowView;
import dev.flk.backend.serve.page.now.NowView.RecordState;
import dev.flk.backend.serve.page.now.NowView.Source;
import dev.flk.backend.serve.page.now.Problems;
import dev.flk.backend.serve.page.now.Rates;
import dev.flk.backend.serve.page.now.Rates.Counted;
import dev.flk.backend.serve.page.now.RecordedMinutes;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.Samples;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The view <i>Now</i> and the memory that it needs: the numbers of each minute, and since when each problem exists. It
 * looks every few seconds, whether or not a page is open. Safe for any thread.
 */
final class NowWatch {
    private static final int MOST_CHANGED = 1_000;

    private static final Logger LOG = LoggerFactory.getLogger(NowWatch.class);
    private static final long COUNT_EVERY_SECONDS = 2;
    private static final long FIGURES_EVERY_SECONDS = 5;
    private static final double MOST_BEHIND_SECONDS = 1e9;
    private static final Duration READ_EVERY = Duration.ofSeconds(10);
    /** The time for which the page says that the log is new. */
    private static final Duration NEW_FOR = Duration.ofDays(1);

    private final Readiness readiness;
    private final Supplier<Optional<Logs>> logs;
    private final Supplier<Optional<RecordedOutcomes>> record;
    private final Supplier<Optional<Reviews>> reviews;
    private final RefusedSubmissions refused;
    private final Metrics metrics;
    private final @Nullable String url;
    private final InstantSource clock;
    private final Instant began;
    private final RecordedMinutes recorded = new RecordedMinutes();
    private final Problems problems = new Problems();

    private volatile Minutes minutes;
    private volatile RecordState recordState = RecordState.NONE;
    private volatile Figures figures = Figures.NONE;

    NowWatch(BackendServer.Parts parts) {
        this.readiness = parts.readiness();
        this.logs = () -> parts.features().get().logs();
        this.record = () -> parts.features().get().record();
        this.reviews = () -> parts.features().get().reviews();
        this.refused = parts.metrics().http().refused;
        this.metrics = parts.metrics().all();
        this.url = parts.config().operators().url();
        this.clock = parts.clock();
        this.began = clock.instant();
        this.minutes = Minutes.none(began);
    }

    /** Begins to look, on a thread of {@code executor}. */
    void start(ScheduledExecutorService executor) {
        Rates rates = new Rates(began, metrics.read());
        var unused = executor.scheduleWithFixedDelay(
                () -> countMinutes(rates), COUNT_EVERY_SECONDS, COUNT_EVERY_SECONDS, TimeUnit.SECONDS);
        unused = executor.scheduleWithFixedDelay(this::count, 0, FIGURES_EVERY_SECONDS, TimeUnit.SECONDS);
    }

    /** Returns the numbers that other backends show of this one, at most a few seconds old. Does not block. */
    Figures figures() {
        return figures;
    }

    private void count() {
        try {
            Samples samples = metrics.read();
            int seen = problems.see(source(clock.instant(), samples)).size();
            figures = new Figures(
                    url,
                    seen == 0 && minutes.since(Counted.MINUTES).isEmpty() ? null : Long.valueOf(seen), // not looked yet
                    known(samples.sum("flk_inbox_pending")),
                    known(samples.sum("flk_review_waiting")),
                    behind(samples).toSeconds());
        } catch (RuntimeException e) {
            // an exception thrown here would cancel the scheduled task
            LOG.error(
                    "the numbers of this backend for the pages of others could not be read; they stay as they were", e);
        }
    }

    private static @Nullable Long known(double value) {
        return Double.isNaN(value) ? null : Long.valueOf(Math.round(value));
    }

    private void countMinutes(Rates rates) {
        RecordState before = recordState;
        try {
            Instant at = clock.instant();
            minutes = rates.count(minutes, at, metrics::read);
            Optional<RecordedOutcomes> found = record.get();
            if (found.isPresent()) {
                minutes = recorded.count(minutes, found.get(), at, () -> behind(found.get()));
                recordState = state(found.get(), at, before);
            }
        } catch (RecordUnavailableException e) {
            LOG.debug("the outcomes of the last minutes could not be counted; they will be", e);
            recordState = new RecordState(
                    before.readAt(), String.valueOf(e.getMessage()), before.waiting(), before.lines(), before.began());
        } catch (RuntimeException e) {
            // an exception thrown here would cancel the scheduled task
            LOG.error("the page could not count the last minutes; it tries again", e);
        }
    }

    /** Reads what waits and the shards that changed, at most every ten seconds, or if the last attempt failed. */
    private RecordState state(RecordedOutcomes found, Instant at, RecordState before) {
        Instant last = before.readAt();
        if (last != null && before.failure().isEmpty() && last.plus(READ_EVERY).isAfter(at)) {
            return before;
        }
        boolean isAlone = logs.get().map(each -> !each.isShared()).orElse(false);
        Optional<Version> oldest = !isAlone
                ? Optional.empty()
                : found.outcomes(OutcomeQuery.ALL.withOrder(Order.OLDEST).withLimit(1)).rows().stream()
                        .findFirst();
        Instant began = oldest.map(version -> version.outcome().receivedAt())
                .filter(received -> received.plus(NEW_FOR).isAfter(at))
                .orElse(null);
        Map<String, String> lines = changed(at).stream()
                .limit(Problems.MOST_NAMED)
                .collect(Collectors.toMap(Changed::shard, each -> ShardsView.line(found, each)));
        return new RecordState(at, "", reviews.get().map(WaitingShards::read).orElse(WaitingShards.NONE), lines, began);
    }

    /** Returns for how long certificates may wait until they are in the record. */
    private Duration behind(RecordedOutcomes found) {
        Duration own = behind(metrics.read());
        Duration others =
                found.coversAllBackends() ? logs.get().map(LogsView::behind).orElse(Duration.ZERO) : Duration.ZERO;
        return own.compareTo(others) > 0 ? own : others;
    }

    private static Duration behind(Samples samples) {
        double seconds =
                samples.sum("flk_record_lag_seconds") + Math.max(0, samples.sum("flk_inbox_oldest_pending_seconds"));
        return Duration.ofSeconds(Double.isNaN(seconds) ? 0 : (long) Math.min(MOST_BEHIND_SECONDS, seconds));
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

    List<RecentRefusals.Group> refusals(Instant at) {
        return refused.recent.at(at);
    }

    private Source source(Instant at, Samples samples) {
        return new Source(at, began, parts(), logs(at), samples, minutes, recordState, refusals(at), changed(at));
    }

    /** Returns the shards whose shape changed in the hour before a time. */
    private List<Changed> changed(Instant at) {
        long from = at.minus(ChangedShards.LISTED).toEpochMilli();
        return record.get().map(found -> found.changes().list(MOST_CHANGED)).orElse(List.of()).stream()
                .filter(each -> each.change().atMillis() >= from)
                .toList();
    }

    /** Returns the view with plots of the last day or of the last hour. */
    NowView view(boolean isDay) {
        return NowView.of(source(clock.instant(), metrics.read()), problems, isDay);
    }
}
