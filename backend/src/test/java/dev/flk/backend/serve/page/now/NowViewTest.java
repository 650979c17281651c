// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page.now;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import dev.flk.backend.ingest.RecentRefusals;
import dev.flk.backend.logs.LogEntry;
import dev.flk.backend.logs.Logs;
import dev.flk.backend.logs.SeenLogs;
import dev.flk.backend.outcomes.record.ChangedShards.Changed;
import dev.flk.backend.outcomes.record.MemoryRecord;
import dev.flk.backend.outcomes.record.ShardChange;
import dev.flk.backend.outcomes.record.ShardChange.Measure;
import dev.flk.backend.outcomes.record.ShardChange.State;
import dev.flk.backend.outcomes.review.Reviews;
import dev.flk.backend.serve.page.ReviewGroups.WaitingShards;
import dev.flk.backend.serve.page.now.NowView.Part;
import dev.flk.backend.serve.page.now.NowView.Promise;
import dev.flk.backend.serve.page.now.NowView.RecordState;
import dev.flk.backend.serve.page.now.NowView.Row;
import dev.flk.backend.serve.page.now.NowView.Source;
import dev.flk.backend.serve.page.now.Problems.Level;
import dev.flk.backend.serve.page.now.Problems.Link;
import dev.flk.backend.serve.page.now.Problems.Problem;
import dev.flk.backend.serve.page.now.Problems.Seen;
import dev.flk.backend.serve.page.now.Rates.Counted;
import dev.flk.program.logging.Audit;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.Metrics.Sample;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests how the view Now presents the metrics and the record. */
final class NowViewTest {
    private static final Instant BEGAN = Instant.parse("2026-11-25T12:00:00Z");

    /** The counters and gauges of a backend that the view reads. */
    private static final class Counters extends Metrics.Feature {
        final Metrics.Count accepted = bareCounter("flk_accepted", "Accepted.");
        final Metrics.Count escalated = bareCounter("flk_escalated", "Escalated.");
        final Metrics.Count failed = bareCounter("flk_wal_errors", "Failed.");
        final Metrics.Count missed = counter("flk_record_missed_total", "Missed.");
        final Metrics.Timing submit = timing("flk_submit_seconds", "Time to the answer.", ANSWER_SECONDS);
        double oldestPending;
        double waiting;
        double overdue;
        double silent;
        double copyBehind;

        Counters(Metrics metrics) {
            super(metrics);
            gauge("flk_inbox_oldest_pending_seconds", "Oldest.").watch(() -> oldestPending);
            gauge("flk_review_waiting", "Waiting.").watch(() -> waiting);
            gauge("flk_review_overdue", "Overdue.").watch(() -> overdue);
            gaugeFamily(
                    "flk_agents", "Agents.", List.of("state"), () -> List.of(new Sample(List.of("silent"), silent)));
            gauge("flk_copy_behind_seconds", "Behind.").watch(() -> copyBehind);
        }
    }

    private final Metrics metrics = new Metrics("test");
    private final Counters counters = new Counters(metrics);
    private final Rates rates = new Rates(BEGAN, metrics.read());
    private final RecordedMinutes recorded = new RecordedMinutes();
    private final MemoryRecord outcomes = new MemoryRecord();
    private final Problems problems = new Problems();
    private Minutes minutes = Minutes.none(BEGAN);
    private Instant now = BEGAN;
    private int epoch;
    private RecordState record = RecordState.NONE;
    private List<RecentRefusals.Group> refusals = List.of();
    private List<Changed> changed = List.of();

    @AfterEach
    void closeRecord() {
        outcomes.close();
    }

    /** Lets some minutes pass, in each of which certificates are accepted and escalated. */
    private void pass(int count, int accepted, int escalated) {
        for (int i = 0; i < count; i++) {
            counters.accepted.add(accepted);
            counters.escalated.add(escalated);
            now = now.plusSeconds(60);
            minutes = rates.count(minutes, now, metrics::read);
        }
    }

    /** Adds outcomes with a verdict, which arrived at one time. */
    private void record(int count, String verdict, Instant at) {
        for (int i = 0; i < count; i++) {
            outcomes.add("a", epoch++, verdict, verdict.equals("accepted") ? "" : "D_hat out of tolerance: 1", at);
        }
    }

    /** Looks at the record several times. */
    private void count(int times, Duration behind) {
        minutes = rates.count(minutes, now, metrics::read);
        for (int i = 0; i < times; i++) {
            minutes = recorded.count(minutes, outcomes.outcomes(), now, () -> behind);
        }
    }

    private NowView view(Part... parts) {
        return view(false, parts);
    }

    private NowView view(boolean isDay, Part... parts) {
        return NowView.of(
                new Source(
                        now,
                        BEGAN,
                        List.of(parts),
                        Optional.empty(),
                        metrics.read(),
                        minutes,
                        record,
                        refusals,
                        changed),
                problems,
                isDay);
    }

    private List<String> sentences() {
        return view().problems().stream().map(seen -> seen.problem().sentence()).toList();
    }

    @Test
    void shardsThatChanged_areNamed_withWhatChanged() {
        changed = List.of(
                new Changed("pump", new ShardChange(State.CHANGED, Measure.D_HAT, 9, 1.11f, 0.67f, 1)),
                new Changed("turbine", new ShardChange(State.CHANGED, Measure.R, 7, 0.37f, 0.11f, 1)));

        Problem problem = view().problems().get(0).problem();

        assertThat(problem.sentence()).isEqualTo("2 shards changed their shape in the last hour:");
        assertThat(problem.links())
                .extracting(Link::text)
                .containsExactly("pump D̂\u00a01.11\u00a0→\u00a00.67", "turbine r\u00a00.37\u00a0→\u00a00.11");
    }

    @Test
    void answersAndServiceLevels_coverTheLastHourAndAllMinutes() {
        counters.failed.add(2);
        pass(1, 90, 10);
        pass(60, 99, 1);

        NowView view = view();

        assertThat(view.rows())
                .extracting(
                        Row::answer,
                        row -> row.lastMinute().text(),
                        row -> row.lastHour().text(),
                        row -> row.all().text())
                .startsWith(tuple("accepted", "99", "5,940", "6,030"), tuple("escalated", "1", "60", "70"))
                .endsWith(tuple("failed (500 or 503)", "0", "0", "2"));
        Promise escalations = view.promises().get(0);
        assertThat(escalations.lastHour()).isEqualTo("1.00 %");
        assertThat(escalations.all()).isEqualTo("1.15 %");
        assertThat(escalations.burn()).isEqualTo("0.5");
        assertThat(escalations.leftText()).isEqualTo("43 %");
    }

    @Test
    void whatIsCountedForLessThanADay_saysSinceWhen() {
        record(1, "accepted", BEGAN.minus(Duration.ofHours(20)));
        pass(1, 1, 0);
        count(40, Duration.ZERO);

        assertThat(view().promises())
                .extracting(Promise::since)
                .as("the record has the outcomes of the whole day")
                .containsExactly(null, BEGAN, BEGAN, BEGAN);
        assertThat(view().rows())
                .extracting(Row::since)
                .as("accepted, escalated, rejected, and what no record has")
                .containsExactly(null, null, null, BEGAN, BEGAN, BEGAN);
        pass(1_440, 1, 0);
        assertThat(view().promises()).extracting(Promise::since).containsOnlyNulls();
    }

    @Test
    void minutesBeforeTheLast24Hours_areForgotten() {
        pass(1, 1, 0);
        pass(1_440, 0, 1);

        NowView view = view();

        assertThat(view.minutes().numbers()).hasSize(1_440);
        assertThat(view.rows())
                .extracting(Row::answer, row -> row.all().text())
                .startsWith(tuple("accepted", "0"), tuple("escalated", "1,440"));
    }

    @Test
    void withoutSubmissions_noBudgetIsUsed() {
        pass(1, 0, 0);

        assertThat(view().promises())
                .extracting(Promise::leftText)
                .as("nothing was counted but the minute")
                .containsExactly("–", "–", "–", "100 %");
        assertThat(view().problems()).isEmpty();
        assertThat(view().count()).isEmpty();
    }

    @Test
    void usedUpBudget_isAProblemWithItsNumbers() {
        pass(9, 9, 1);
        pass(52, 0, 0);
        assertThat(view().problems()).as("few misses").isEmpty();
        pass(1, 368, 1);

        NowView view = view();

        assertThat(view.promises().get(0).leftText()).isEqualTo("0 %");
        assertThat(view.count()).isEqualTo("(1) ");
        Problem problem = view.problems().get(0).problem();
        assertThat(problem.sentence())
                .isEqualTo(
                        "An error budget is used up: 10 of 459 certificates were escalated or rejected in the last 62"
                                + " minutes, 2.18 %; 2.00 % is permitted.");
        assertThat(problem.runbook()).startsWith("Meaning.");
        assertThat(problem.links()).as("no record, no list").containsExactly(new Link("trend", "#trends"));
    }

    @Test
    void budgetOfEscalations_isThatOfTheRecord_alsoBeforeTheStart() {
        record(12, "rejected", BEGAN.minus(Duration.ofHours(2)));
        record(3, "escalated", BEGAN.plusSeconds(1));
        record(88, "accepted", BEGAN.plusSeconds(65));
        pass(1, 100, 0);
        assertThat(view().rows().get(0).all().text())
                .as("before the record is read")
                .isEqualTo("100");
        now = now.plusSeconds(15);
        count(40, Duration.ZERO);

        NowView view = view();

        Promise escalations = view.promises().get(0);
        assertThat(escalations.lastHour()).isEqualTo("3.30 %");
        assertThat(escalations.all()).isEqualTo("14.56 %");
        Problem problem = view.problems().get(0).problem();
        assertThat(problem.sentence())
                .contains("used up: 15 of 103 certificates", "in the last 24 hours until 2026-11-25 12:01:15 UTC");
        String range = "&from=2026-11-24T12%3A01%3A00Z&to=2026-11-25T12%3A01%3A15Z";
        assertThat(problem.links())
                .containsExactly(
                        new Link("3 escalated", "/ui/outcomes?verdict=escalated" + range),
                        new Link("12 rejected", "/ui/outcomes?verdict=rejected" + range));
    }

    @Test
    void fastBurn_isAProblemWhileBudgetIsLeft() {
        pass(1_440, 100, 0);
        pass(60, 65, 35);
        assertThat(view().promises().get(0).leftText()).isEqualTo("27 %");
        assertThat(sentences())
                .containsExactly(
                        "An error budget is used fast: 2,100 of 6,000 certificates were escalated or rejected in"
                                + " the last 60 minutes, 35.00 %; 2.00 % is permitted. The budget of the last hour is used 18"
                                + " times as fast as permitted.");

        pass(5, 100, 0);

        assertThat(sentences()).as("the burn has ended").isEmpty();
    }

    @Test
    void fewMisses_areNoFastBurn() {
        pass(1_320, 1, 0);
        pass(60, 0, 0);
        pass(9, 0, 1);

        assertThat(view().problems()).isEmpty();
        pass(1, 0, 1);
        assertThat(sentences().get(0)).contains("is used fast: 10 of 10");
    }

    @Test
    void certificateThatWaits_usesTheBudgetOfItsMinutes() {
        counters.oldestPending = 61;
        pass(5, 0, 0);
        counters.oldestPending = 0;
        pass(55, 0, 0);
        assertThat(view().problems()).as("less than an hour").isEmpty();
        pass(1, 0, 0);

        assertThat(view().promises().get(3).all()).isEqualTo("8.20 %");
        assertThat(sentences())
                .containsExactly(
                        "An error budget is used up: 5 of 61 minutes ended while a certificate had waited longer"
                                + " than 60 s for its decision in the last 61 minutes, 8.20 %; 1.00 % is permitted.");
    }

    @Test
    void problem_isSeenSinceItBegan_andBeginsAnewAfterItsEnd() {
        counters.waiting = 34;
        counters.overdue = 3;
        Instant first = now;
        assertThat(view().problems().get(0).since()).isEqualTo(first);
        now = now.plusSeconds(30);
        counters.waiting = 35;
        assertThat(view().problems().get(0).since()).isEqualTo(first);
        assertThat(sentences())
                .containsExactly("35 certificates wait for a review, 3 of them for longer than REVIEW_AFTER.");
        counters.waiting = 0;
        assertThat(view().problems()).isEmpty();
        now = now.plusSeconds(30);
        counters.waiting = 1;

        assertThat(view().problems().get(0).since()).isEqualTo(now);
    }

    @Test
    void counterOfLosses_isAProblemForAnHourAfterItRose() {
        counters.missed.increment();
        assertThat(sentences())
                .containsExactly("Log records that were removed before they were in the record of outcomes since"
                        + " this backend started: 1.");
        now = now.plusSeconds(3_000);
        counters.missed.increment();
        assertThat(sentences()).hasSize(1);
        now = now.plusSeconds(3_000);
        assertThat(sentences())
                .containsExactly("Log records that were removed before they were in the record of outcomes since"
                        + " this backend started: 2.");
        now = now.plusSeconds(600);
        assertThat(view().problems()).isEmpty();
    }

    @Test
    void problems_areInTheOrderOfTheirUrgency() {
        counters.silent = 2;
        counters.waiting = 1;
        counters.overdue = Double.NaN;
        counters.copyBehind = 90;

        assertThat(view(new Part("dedup", false, "down")).problems())
                .extracting(
                        seen -> seen.problem().level(), seen -> seen.problem().sentence())
                .containsExactly(
                        tuple(Level.CRITICAL, "The deduplication store is not ready: down."),
                        tuple(
                                Level.WARNING,
                                "0 records of the log are only on the disk of this backend, the oldest for 90 s: the"
                                        + " copy is behind."),
                        tuple(Level.NOTICE, "2 agents are silent."),
                        tuple(Level.NOTICE, "A certificate waits for a review."));
        assertThat(view(new Part("copy", false, "no broker answers")).problems())
                .extracting(
                        seen -> seen.problem().sentence(),
                        seen -> seen.problem().remedy())
                .as("the copy is reported once")
                .contains(tuple(
                        "The copy is not ready: no broker answers.",
                        "Run flk backend health on its host; it names the cause. Follow the runbook CopyDown."))
                .hasSize(3);
    }

    @Test
    void oneCause_isOneProblem_andNamesWhatFollows() {
        record = new RecordState(now, "", WaitingShards.NONE, Map.of(), null);
        counters.oldestPending = 90;
        now = now.plusSeconds(16);

        List<Problem> stopped =
                problems(new Part("log", true, "up"), new Part("dedup", false, "unavailable: it refused"));
        assertThat(stopped).extracting(Problem::id).containsExactly("dedup");
        assertThat(stopped.get(0).follows())
                .containsExactly(
                        "0 certificates wait for their decision, the oldest for 90 s.",
                        "What arrived and what waits is not known since 2026-11-25 12:00:00 UTC: the record of outcomes"
                                + " can't be read.");
        assertThat(stopped.get(0).runbook()).startsWith("Meaning.");

        List<Problem> full = problems(new Part("log", false, "disk full"), new Part("dedup", false, "no space"));
        assertThat(full).extracting(Problem::id).containsExactly("log");
        assertThat(full.get(0).follows()).hasSize(3).contains("The deduplication store is not ready: no space.");
        assertThat(full.get(0).runbook()).startsWith("Meaning.");
    }

    private List<Problem> problems(Part... parts) {
        return view(parts).problems().stream().map(Seen::problem).toList();
    }

    @Test
    void backendThatStoppedReporting_isAProblem() {
        SeenLogs logs = new SeenLogs(BEGAN, Audit.none());
        try (Logs registered = logs.registered()) {
            logs.report(logs.entry(2, "other", Duration.ZERO));
            assertThat(quiet(registered, BEGAN)).isEmpty();
            logs.pass(Duration.ofSeconds(31));
            assertThat(quiet(registered, BEGAN.plusSeconds(31)))
                    .containsExactly("The backend other has not reported for 31 s.");
        }
    }

    private static List<String> quiet(Logs registered, Instant at) {
        return LogsView.of(registered, at).stream()
                .flatMap(view -> view.problems().stream())
                .map(Problem::sentence)
                .toList();
    }

    @Test
    void sensorsThatWait_areNamed_andLinkToTheirGroups() {
        for (int i = 0; i < 5; i++) {
            outcomes.add("pump 1", i, "escalated", i == 4 ? "D_hat out of tolerance: 1" : "degraded: x", now);
            outcomes.add("valve-" + i % 2, i, "escalated", i % 2 == 0 ? "degraded: single_point" : "degraded: x", now);
        }
        try (Reviews reviews = outcomes.reviews(new Metrics("reviews"), now)) {
            record = new RecordState(now, "", WaitingShards.read(reviews), Map.of(), null);
        }

        Problem waiting = view().problems().get(0).problem();

        assertThat(waiting.sentence()).isEqualTo("10 certificates wait for a review:");
        assertThat(waiting.links())
                .containsExactly(
                        new Link("pump 1 5", "/ui/review?shard=pump%201"),
                        new Link("valve-0: stuck since 2026-11-25 12:00:00 UTC, 3", "/ui/review?shard=valve-0"),
                        new Link("valve-1 2", "/ui/review?shard=valve-1"));
    }

    @Test
    void recordThatCanNotBeRead_isAProblem() {
        record = new RecordState(now, "", WaitingShards.NONE, Map.of(), null);
        assertThat(view().problems()).isEmpty();
        now = now.plusSeconds(16);
        assertThat(sentences())
                .containsExactly("What arrived and what waits is not known since 2026-11-25 12:00:00 UTC: the record of"
                        + " outcomes can't be read.");
    }

    @Test
    void refusals_areAProblem_ifTheyAreManyOrOfAKnownKey() {
        refusals = List.of(new RecentRefusals.Group("malformed", "", "10.0.0.1", "", "no shard", 9, now, now));
        assertThat(view().problems()).isEmpty();
        refusals = List.of(
                refusals.get(0),
                new RecentRefusals.Group("signature: revoked", "k1", "10.0.0.2", "press-2", "", 15, now, now));

        assertThat(view().problems())
                .extracting(
                        seen -> seen.problem().sentence(),
                        seen -> seen.problem().remedy())
                .containsExactly(tuple(
                        "24 submissions were refused before verification: 15 for “signature: revoked”, key k1, from"
                                + " 10.0.0.2, which claims the shard press-2 (not verified).",
                        "Their agents keep them. Follow the runbook KeyMisused."));
    }

    @Test
    void p99_isThatOfTheMinute() {
        counters.submit.observeNanos(4_000_000);
        pass(1, 0, 0);
        for (int i = 0; i < 100; i++) {
            counters.submit.observeNanos(i < 98 ? 4_000_000 : 80_000_000);
        }
        pass(1, 0, 0);
        pass(1, 0, 0);

        assertThat(minutes.values(Counted.P99).mapToObj(each -> Math.round(each * 1e4) / 1e4))
                .as("nothing was answered in the last minute")
                .containsExactly(0.005, 0.075);
    }

    @Test
    void outcomesOfTheRecord_outlastTheProcess_andLinkToTheirList() {
        record(1, "accepted", BEGAN.minus(Duration.ofHours(20)));
        record(1, "accepted", BEGAN.minusSeconds(90));
        record(1, "escalated", BEGAN.minusSeconds(30));
        record(1, "rejected", BEGAN.minus(Duration.ofHours(25)));
        count(40, Duration.ZERO);

        List<Row> rows = view().rows();

        assertThat(rows)
                .extracting(
                        row -> row.lastMinute().text(),
                        row -> row.lastHour().text(),
                        row -> row.all().text())
                .startsWith(tuple("0", "1", "2"), tuple("1", "1", "1"), tuple("0", "0", "0"));
        assertThat(rows.get(1).lastMinute().path())
                .isEqualTo("/ui/outcomes?verdict=escalated&from=2026-11-25T11%3A59%3A00Z&to=2026-11-25T12%3A00%3A00Z");
    }

    @Test
    void recordThatIsPartlyCounted_namesTheBeginning() {
        count(2, Duration.ZERO);
        assertThat(view().caption())
                .endsWith("of certificates that arrived from 2026-11-25 11:58:00 UTC until 2026-11-25 12:00:00 UTC.");

        count(40, Duration.ZERO);

        assertThat(view().caption()).endsWith("of certificates that arrived until 2026-11-25 12:00:00 UTC.");
    }

    @ParameterizedTest
    @ValueSource(ints = {58, 180})
    void outcomesThatReachTheRecordLate_areCounted(int minutesBehind) {
        Duration behind = Duration.ofMinutes(minutesBehind);
        count(40, behind);
        for (int minute = 1; minute <= 3; minute++) {
            now = now.plusSeconds(60);
            count(1, behind);
        }
        record(1, "accepted", BEGAN.plusSeconds(1));
        record(1, "accepted", BEGAN.minus(behind).plusSeconds(300));
        now = now.plusSeconds(60);
        count(40, behind);

        assertThat(view().rows().get(0).all().text()).isEqualTo("2");
    }

    @Test
    void behind_comparesNoClocks_andHasABound() {
        SeenLogs logs = new SeenLogs(BEGAN, Audit.none());
        try (Logs registered = logs.registered()) {
            String honest = logs.entry(2, "other", Duration.ofDays(-1)).text(); // its clock is a day ahead
            logs.report(LogEntry.parse(honest).orElseThrow());
            logs.pass(Duration.ofSeconds(10));
            assertThat(LogsView.behind(registered)).isEqualTo(Duration.ofSeconds(10 + 3));
            String startedNow = "\"started_millis\":"
                    + BEGAN.plus(Duration.ofDays(1))
                            .toEpochMilli(); // it may write what it answered before it was killed
            for (String other : List.of(
                    honest.replace("\"lag_seconds\":3", "\"lag_seconds\":1000000000"),
                    honest.replace("\"lag_seconds\":3", "\"lag_seconds\":3700"),
                    honest.replace("\"started_millis\":0", startedNow))) {
                logs.report(LogEntry.parse(other).orElseThrow());
                assertThat(LogsView.behind(registered)).isEqualTo(LogsView.RECOUNTED);
            }
        }
    }

    @Test
    void trends_showGaps_andAreBounded() {
        for (int i = 0; i < 1_500; i++) {
            counters.submit.observeNanos(4_000_000);
            pass(1, 7, i % 100 == 0 ? 1 : 0);
        }
        now = now.plus(Duration.ofMinutes(20));
        counters.submit.observeNanos(4_000_000);
        pass(1, 7, 0);
        List<String> plots = new ArrayList<>();
        view(false).trends().forEach(drawn -> plots.add(drawn.svg()));
        view(true).trends().forEach(drawn -> plots.add(drawn.svg()));

        assertThat(plots).hasSize(12).allSatisfy(svg -> assertThat(svg.length()).isLessThan(16_000));
        assertThat(plots.get(3)).as("latency of the last hour").contains("p99", "; newest: 5.0");
        assertThat(path(plots.get(3)).split("M")).as("one gap").hasSize(3);
        assertThat(path(plots.get(3)).split("[ML]")).hasSizeBetween(35, 45);
        assertThat(path(plots.get(9)).split("[ML]"))
                .as("latency of the last day")
                .hasSizeBetween(230, 250);
    }

    /** Returns the first line of a plot. */
    private static String path(String svg) {
        int begin = svg.indexOf("<path class=\"line-first\" d=\"");
        return svg.substring(begin + 27, svg.indexOf('"', begin + 28));
    }
}
