// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.flk.backend.decide.ReasonKind;
import dev.flk.backend.decide.RecordedOutcome;
import dev.flk.backend.decide.RecordedOutcome.Boxes;
import dev.flk.backend.decide.RecordedOutcome.Claims;
import dev.flk.backend.decide.Review;
import dev.flk.backend.outcomes.record.OutcomeQuery.Order;
import dev.flk.backend.outcomes.record.OutcomeQuery.Span;
import dev.flk.backend.outcomes.record.OutcomeRows.Change;
import dev.flk.backend.outcomes.record.OutcomeRows.Changed;
import dev.flk.backend.outcomes.record.OutcomeRows.ChangesLostException;
import dev.flk.backend.outcomes.record.OutcomeRows.Counts;
import dev.flk.backend.outcomes.record.OutcomeRows.Group;
import dev.flk.backend.outcomes.record.OutcomeRows.Placed;
import dev.flk.backend.outcomes.record.OutcomeRows.PlacedReview;
import dev.flk.backend.outcomes.record.OutcomeRows.Position;
import dev.flk.backend.outcomes.record.OutcomeRows.Reviewed;
import dev.flk.backend.outcomes.record.OutcomeRows.ReviewedPart;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Rows;
import dev.flk.backend.outcomes.record.OutcomeRows.Shape;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.OutcomeRows.Waiting;
import dev.flk.canonical.Sha256;
import dev.flk.certificate.BoxCounts;
import dev.flk.certificate.Certificate.FaultTolerance.Window;
import dev.flk.certificate.Certificate.Regime;
import dev.flk.certificate.PcsId;
import dev.flk.verification.Verdict;
import dev.flk.verification.Verdict.Kind;
import dev.flk.verification.Verdict.Recomputed;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The contract of {@link OutcomeRows}. */
public abstract class OutcomeRowsContract {
    private static final Instant START = Instant.parse("2026-11-01T00:00:00Z");
    private static final Span EVER = new Span(null, null);
    private static final String LOG = "log-1";
    /** More calls than any test needs to reach an end. */
    private static final int MOST_CALLS = 10_000;

    private static final int OUTCOMES = 500;

    private final Random random = new Random(70);
    /** The versions and reviews that took effect, in their order. */
    private final List<Changed> applied = new ArrayList<>();

    private OutcomeRows rows;
    private final AtomicLong sequence = new AtomicLong();

    /**
     * Opens rows. There are no rows under a name that was not opened before. The contract closes the rows before it
     * opens the same name again.
     */
    protected abstract OutcomeRows open(String name) throws Exception;

    @BeforeEach
    final void openRows() throws Exception {
        rows = open("rows");
    }

    @AfterEach
    final void closeRows() {
        rows.close();
    }

    private void reopen() throws Exception {
        rows.sync();
        rows.close();
        rows = open("rows");
    }

    /**
     * An outcome to apply, whose value has the members that queries use.
     *
     * @param claims whether the value has the claims; if not, it is an outcome of other content
     * @param measured the end of the measurements; null if the certificate does not have it
     */
    protected record Outcome(
            RowKey row,
            String verdict,
            String regime,
            String signer,
            Instant received,
            @Nullable Instant measured,
            boolean claims) {
        public Version version() {
            Kind kind = Kind.valueOf(verdict.toUpperCase(Locale.ROOT));
            String text = row.epoch() % 2 == 0 ? "D_hat out of tolerance: 1.5 ü\u0000" : "r out of bounds: 1.5 ü\u0000";
            Verdict decided = new Verdict(
                    PcsId.parse(row.pcsId()).orElseThrow(),
                    1.5,
                    kind,
                    new Recomputed(1.25, 0.3, Regime.valueOf(regime.toUpperCase(Locale.ROOT))),
                    kind == Kind.ACCEPTED ? null : ReasonKind.reason(text),
                    "p");
            Claims claimed = new Claims(
                    0.26,
                    0.5,
                    0.8,
                    "0".repeat(64),
                    new Boxes(new BoxCounts(List.of("2"), List.of(3L)), List.of(2)),
                    measured == null ? null : new Window(measured, measured),
                    signer);
            return new Version(row, new RecordedOutcome(decided, received.toEpochMilli(), claims ? claimed : null));
        }

        public Outcome with(String otherVerdict) {
            return new Outcome(row, otherVerdict, regime, signer, received, measured, claims);
        }

        public Outcome received(Instant time) {
            return new Outcome(row, verdict, regime, signer, time, measured, claims);
        }

        public Outcome withoutClaims() {
            return new Outcome(row, verdict, regime, signer, received, null, false);
        }
    }

    protected static Outcome outcome(String shard, int number) {
        RowKey row = new RowKey(shard, number, id(number));
        return new Outcome(row, "accepted", "sticky", "key-1", START.plusMillis(number), null, true);
    }

    private static String id(int number) {
        return HexFormat.of().formatHex(Sha256.of(("id " + number).getBytes(StandardCharsets.US_ASCII)));
    }

    protected final Group group(@Nullable Position position, Map<String, String> notes, Outcome... outcomes) {
        List<Placed> placed = new ArrayList<>();
        for (Outcome each : outcomes) {
            placed.add(new Placed(sequence.incrementAndGet(), each.version()));
        }
        return new Group(
                position == null ? new Position("log-0", sequence.get(), "") : position, placed, List.of(), notes);
    }

    private void apply(Outcome... outcomes) {
        rows.apply(group(null, Map.of(), outcomes));
        note(outcomes);
    }

    private void note(Outcome... outcomes) {
        for (Outcome each : outcomes) {
            Version version = each.version();
            Version current = current().get(version.key());
            if (version.outcome().isChangedFrom(current == null ? null : current.outcome())) {
                applied.add(version);
            }
        }
    }

    /** Returns the newest versions that were applied, in the order of their application. */
    private Map<RowKey, Version> current() {
        Map<RowKey, Version> current = new LinkedHashMap<>();
        for (Changed changed : applied) {
            if (changed instanceof Version version) {
                current.remove(version.key());
                current.put(version.key(), version);
            }
        }
        return current;
    }

    protected static Reviewed review(RowKey row, long version, Review.Verdict verdict) {
        return review(row, version, verdict, START.plusMillis(version));
    }

    private static Reviewed review(RowKey row, long version, Review.Verdict verdict, Instant at) {
        return new Reviewed(row, new Review(version, verdict, "ü\u0000", "author", at.toString()));
    }

    private List<PlacedReview> placed(Reviewed... reviews) {
        return Stream.of(reviews)
                .map(each -> new PlacedReview(sequence.incrementAndGet(), each))
                .toList();
    }

    private List<PlacedReview> apply(Reviewed... reviews) {
        List<PlacedReview> placed = placed(reviews);
        return rows.apply(new Group(new Position("log-0", sequence.get(), ""), List.of(), placed, Map.of()));
    }

    /** Returns the newest reviews that were applied. */
    private Map<RowKey, Review> newestReviews() {
        Map<RowKey, Review> newest = new HashMap<>();
        for (Changed changed : applied) {
            if (changed instanceof Reviewed reviewed) {
                newest.merge(
                        reviewed.key(), reviewed.review(), (one, two) -> one.version() > two.version() ? one : two);
            }
        }
        return newest;
    }

    private boolean waits(Version version) {
        Review newest = newestReviews().get(version.key());
        return version.outcome().verdict().kind() != Kind.ACCEPTED
                && (newest == null || newest.verdict() == Review.Verdict.WITHDRAWN);
    }

    // versions

    @Test
    void apply_changedOutcome_isTheNextVersion_evenIfItChangedBack_andNoOtherIs() {
        Outcome first = outcome("shard", 1);
        Outcome claimed = outcome("shard", 2);
        apply(first, first.received(START.plusSeconds(9)), claimed.withoutClaims(), claimed, claimed.withoutClaims());
        apply(first.received(START.plusSeconds(10)));

        assertThat(rows.versions(first.row(), 10)).containsExactly(first.version());
        assertThat(rows.versions(claimed.row(), 10))
                .containsExactly(claimed.version(), claimed.withoutClaims().version());
        apply(first.with("rejected"), first);
        assertThat(rows.versions(first.row(), 10))
                .containsExactly(first.version(), first.with("rejected").version(), first.version());
        assertThat(rows.versions(first.row(), 1)).containsExactly(first.version());
        assertThat(everything()).containsExactly(first.version(), claimed.version());
    }

    @Test
    void apply_versionsOfNoLog_doNotReplaceThoseOfALog() {
        Outcome first = outcome("shard", 1);
        Outcome second = outcome("shard", 2);
        List<Placed> imported = List.of(
                new Placed(0, first.version()),
                new Placed(0, first.with("rejected").version()),
                new Placed(0, second.version()));
        rows.apply(new Group(null, imported, List.of(), Map.of()));
        rows.apply(new Group(null, imported, List.of(), Map.of())); // repeated, as after a kill
        rows.apply(group(null, Map.of(), second.with("escalated")));
        rows.apply(new Group(null, imported.subList(2, 3), List.of(), Map.of()));

        assertThat(rows.versions(first.row(), 10))
                .containsExactly(first.with("rejected").version(), first.version());
        assertThat(rows.versions(second.row(), 10))
                .containsExactly(second.with("escalated").version(), second.version());
    }

    @Test
    void apply_sameIdInOtherShardAndEpoch_isAnotherRow() {
        Outcome first = outcome("shard", 1);
        List<RowKey> keys = List.of(
                first.row(),
                new RowKey("other", 1, id(1)),
                new RowKey("shard", 2, id(1)),
                new RowKey("shard", 1, id(2)));
        apply(keys.stream()
                .map(key -> new Outcome(key, "accepted", "sticky", "key-1", START, null, true))
                .toArray(Outcome[]::new));

        for (RowKey key : keys) {
            assertThat(rows.versions(key, 10))
                    .hasSize(1)
                    .allMatch(version -> version.key().equals(key));
        }
        assertThat(rows.versions(new RowKey("shard", 3, id(1)), 10)).isEmpty();
        assertThat(rows.versions(new RowKey("shar", 1, id(1)), 10)).isEmpty();
    }

    @Test
    void apply_largeGroup_isAppliedCompletely() {
        Outcome[] many = IntStream.range(0, 2_500)
                .mapToObj(number -> outcome("shard-" + number % 7, number))
                .toArray(Outcome[]::new);
        apply(many);

        assertThat(everything()).containsExactlyElementsOf(current().values());
    }

    @Test
    void apply_randomOutcomes_areReturnedAsTheyWere() {
        List<Version> versions = Stream.generate(() -> RecordedOutcomeTest.randomOutcome(random))
                .limit(OUTCOMES)
                .toList();
        List<Placed> placed = versions.stream()
                .map(each -> new Placed(sequence.incrementAndGet(), each))
                .toList();
        rows.apply(new Group(new Position("log-0", OUTCOMES, ""), placed, List.of(), Map.of()));

        assertThat(versions)
                .allSatisfy(each -> assertThat(rows.versions(each.key(), 10)).containsExactly(each));
    }

    @Test
    void apply_longValue_isReturnedAsItWas() {
        Outcome first = outcome("shard", 1);
        RecordedOutcome outcome = first.version().outcome();
        Verdict verdict = new Verdict(
                outcome.verdict().id(),
                1.5,
                Kind.ACCEPTED,
                outcome.verdict().recomputed(),
                null,
                "ü\ud83d\ude00".repeat(50_000));
        Version version = new Version(first.row(), new RecordedOutcome(verdict, 1, outcome.claims()));
        rows.apply(new Group(null, List.of(new Placed(1, version)), List.of(), Map.of()));

        assertThat(rows.versions(first.row(), 10)).containsExactly(version);
    }

    @Test
    void count_countsWhatAQueryFinds() throws Exception {
        applyRandomOutcomes(OUTCOMES);
        reopen();

        for (int i = 0; i < 60; i++) {
            OutcomeQuery wanted = randomQuery();
            long[] bounds = bounds(wanted.measured().isOpen() ? START : START.minusSeconds(9));
            boolean isMeasured = !wanted.measured().isOpen();
            Span all = new Span(Instant.ofEpochMilli(bounds[0]), Instant.ofEpochMilli(bounds[bounds.length - 1]));
            OutcomeQuery within = wanted.withReceived(isMeasured ? EVER : all)
                    .withMeasured(isMeasured ? all : EVER)
                    .withOrder(Order.NEWEST)
                    .withLimit(1);
            Map<Kind, long[]> expected = Counts.zeros(bounds.length - 1);
            for (Version version : expected(within)) {
                long millis = time(version, isMeasured).toEpochMilli();
                int index = 0;
                while (bounds[index + 1] <= millis) {
                    index++;
                }
                expected.get(version.outcome().verdict().kind())[index]++;
            }

            Counts counts = rows.count(within, bounds);

            assertThat(counts.byVerdict()).as("%s", within).containsOnlyKeys(expected.keySet());
            expected.forEach((verdict, numbers) ->
                    assertThat(counts.byVerdict().get(verdict)).as("%s", within).containsExactly(numbers));
        }
    }

    private long[] bounds(Instant around) {
        return IntStream.range(0, 1 + random.nextInt(20))
                .mapToLong(any -> around.toEpochMilli() + random.nextInt(320))
                .sorted()
                .distinct()
                .collect(
                        () -> new ArrayList<>(List.of(around.toEpochMilli() + 400)),
                        (all, bound) -> all.add(all.size() - 1, bound),
                        List::addAll)
                .stream()
                .mapToLong(Long::longValue)
                .toArray();
    }

    @Test
    void find_firstOfAPart_leadsBack() throws Exception {
        applyRandomOutcomes(100);
        OutcomeQuery wanted = everyRow(Order.NEWEST, 30);
        Rows first = rows.find(wanted);
        Rows second = rows.find(wanted.withCursor(first.cursor()));

        List<Version> back = new ArrayList<>(
                rows.find(everyRow(Order.OLDEST, 30).withCursor(second.first())).rows());

        Collections.reverse(back);
        assertThat(back).isEqualTo(first.rows());
        assertThat(rows.find(everyRow(Order.OLDEST, 30).withCursor(first.first()))
                        .rows())
                .isEmpty();
    }

    // positions and notes

    @Test
    void position_twoLogs_areSideBySide() throws Exception {
        rows.apply(group(new Position(LOG, 7, "a"), Map.of(), outcome("shard", 1)));
        rows.apply(group(new Position("log-2", 3, "b"), Map.of(), outcome("shard", 2)));
        rows.apply(group(new Position(LOG, 9, "c"), Map.of()));
        apply(outcome("shard", 3));
        reopen();

        assertThat(rows.position(LOG)).contains(new Position(LOG, 9, "c"));
        assertThat(rows.position("log-2")).contains(new Position("log-2", 3, "b"));
        for (String unknown : List.of("log-3", "log-", "")) {
            assertThat(rows.position(unknown)).as(unknown).isEmpty();
        }
        assertThat(everything()).hasSize(3);
    }

    @Test
    void notes_areReturnedByPrefixInOrder() throws Exception {
        rows.apply(group(null, Map.of("gap/2", "two", "gap/10", "ten", "gap", "none", "import", "half")));
        rows.apply(group(null, Map.of("gap/1", "one", "gap/2", "again", "import", "done")));
        reopen();

        assertThat(rows.notes("gap/").entrySet())
                .containsExactly(Map.entry("gap/1", "one"), Map.entry("gap/10", "ten"), Map.entry("gap/2", "again"));
        assertThat(rows.notes("import")).isEqualTo(Map.of("import", "done"));
        assertThat(rows.notes("").keySet()).containsExactly("gap", "gap/1", "gap/10", "gap/2", "import");
        assertThat(rows.notes("gap/1%")).isEmpty();
        assertThat(rows.notes("other")).isEmpty();
    }

    @Test
    void wentBack_forgetsThePositionAndKeepsTheRows() throws Exception {
        Outcome first = outcome("shard", 1);
        rows.apply(group(new Position(LOG, 7, "a"), Map.of("note", "text"), first));
        rows.apply(group(new Position("log-2", 3, "b"), Map.of(), outcome("shard", 2)));
        rows.wentBack(LOG);
        rows.wentBack("unknown");
        reopen();

        assertThat(rows.position(LOG)).isEmpty();
        assertThat(rows.position("log-2")).contains(new Position("log-2", 3, "b"));
        assertThat(rows.notes("")).isEqualTo(Map.of("note", "text"));
        assertThat(everything())
                .containsExactly(first.version(), outcome("shard", 2).version());

        rows.apply(group(new Position(LOG, 2, "d"), Map.of(), first, first.with("rejected")));

        assertThat(rows.position(LOG)).contains(new Position(LOG, 2, "d"));
        assertThat(rows.versions(first.row(), 10))
                .containsExactly(first.with("rejected").version(), first.version());
    }

    // reviews

    @Test
    void apply_reviews_areVersionsOfTheirRow_andTheHighestIsCurrent() throws Exception {
        RowKey row = outcome("shard", 1).row();
        RowKey other = new RowKey("other", 1, row.pcsId());
        Reviewed first = review(row, 1, Review.Verdict.FAULT);
        Reviewed late = review(row, 2, Review.Verdict.FAULT);
        Reviewed highest = review(row, 10, Review.Verdict.EXPECTED);
        Reviewed ofOther = review(other, 1, Review.Verdict.IGNORE);
        apply(first, highest);
        apply(late, ofOther);
        reopen();

        assertThat(rows.reviews(row, 10)).containsExactly(highest.review(), late.review(), first.review());
        assertThat(rows.reviews(row, 2)).containsExactly(highest.review(), late.review());
        assertThat(rows.newestReviews(List.of(row, other, outcome("shard", 2).row())))
                .isEqualTo(Map.of(row, highest.review(), other, ofOther.review()));
        assertThat(rows.faults(10)).isEmpty();
        assertThat(rows.reviews(outcome("shard", 2).row(), 10)).isEmpty();
    }

    @Test
    void apply_sameReviewAgain_changesNothing() throws Exception {
        Outcome outcome = outcome("shard", 1).with("escalated");
        Reviewed first = review(outcome.row(), 1, Review.Verdict.FAULT);
        Reviewed second = review(outcome.row(), 2, Review.Verdict.WITHDRAWN);
        apply(outcome);

        assertThat(apply(first, second, first)).isEmpty();
        assertThat(apply(first)).isEmpty();
        rows.sync();

        assertThat(changesAfter("", 10)).containsExactly(outcome.version(), first, second);
        assertThat(rows.waiting(10)).hasSize(1);
    }

    /** A review loses against one with its version that was applied before, also in the same group. */
    @Test
    void apply_otherReviewOfAVersion_isReturned_andNothingIsApplied() throws Exception {
        Outcome outcome = outcome("shard", 1).with("escalated");
        Reviewed winner = review(outcome.row(), 1, Review.Verdict.FAULT);
        Reviewed loser = review(outcome.row(), 1, Review.Verdict.EXPECTED);
        Reviewed next = review(outcome.row(), 2, Review.Verdict.IGNORE);
        Reviewed againstNext = review(outcome.row(), 2, Review.Verdict.UNCLEAR);
        Position before = new Position(LOG, sequence.get(), "a");
        rows.apply(group(before, Map.of(), outcome));
        apply(winner);
        List<PlacedReview> placed = placed(next, loser, againstNext);

        Group group = new Group(
                new Position(LOG, sequence.get(), "b"),
                List.of(new Placed(
                        sequence.incrementAndGet(), outcome.with("rejected").version())),
                placed,
                Map.of("note", "text"));
        for (int again = 0; again < 2; again++) {
            assertThat(rows.apply(group)).isEqualTo(placed.subList(1, 3));
        }
        rows.sync();

        assertThat(changesAfter("", 10)).containsExactly(outcome.version(), winner);
        assertThat(rows.position(LOG)).contains(before);
        assertThat(rows.notes("")).isEmpty();
        assertThat(rows.newestReviews(List.of(outcome.row()))).containsValue(winner.review());

        List<PlacedReview> salvaged = List.of(new PlacedReview(0, loser), new PlacedReview(0, next));
        assertThat(rows.apply(new Group(null, List.of(), salvaged, Map.of()))).isEmpty();
        assertThat(rows.reviews(outcome.row(), 10)).containsExactly(next.review(), winner.review());
    }

    /** Each step is a verdict of the backend, an imported one, or the decision of a review. */
    @ParameterizedTest
    @CsvSource({
        "true, escalated",
        "false, accepted",
        "true, accepted rejected",
        "false, escalated accepted",
        "false, escalated expected",
        "false, expected escalated",
        "false, expected imported",
        "true, imported",
        "true, escalated expected withdrawn",
        "true, withdrawn rejected",
        "false, withdrawn accepted",
        "false, escalated withdrawn fault",
        "false, escalated unclear rejected",
    })
    void find_waits_selectsRowsWithoutAReview(boolean waits, String steps) throws Exception {
        Outcome outcome = outcome("shard", 1);
        int reviews = 0;
        for (String step : steps.split(" ", -1)) {
            if (List.of("accepted", "escalated", "rejected").contains(step)) {
                apply(outcome.with(step));
            } else if (step.equals("imported")) {
                Placed imported = new Placed(0, outcome.with("escalated").version());
                rows.apply(new Group(null, List.of(imported), List.of(), Map.of()));
            } else {
                apply(review(outcome.row(), ++reviews, Review.Verdict.parse(step)));
            }
        }
        reopen();

        assertThat(all(waiting("shard"))).isEqualTo(waits ? rows.versions(outcome.row(), 1) : List.of());
        assertThat(rows.waiting(10)).hasSize(waits ? 1 : 0);
        assertThat(rows.reviews(outcome.row(), 10)).hasSize(reviews);
    }

    private static OutcomeQuery waiting(String shard) {
        return OutcomeQuery.ALL.withShard(shard).withWaits(true).withLimit(1);
    }

    @Test
    void waiting_areTheRowsThatWait_withTheirGroups() throws Exception {
        applyRandomOutcomes(OUTCOMES);
        reopen();
        List<Waiting> waiting = rows.waiting(OUTCOMES);
        Map<Long, Version> versions =
                rows.at(waiting.stream().map(Waiting::number).toList());

        assertThat(versions.values())
                .containsExactlyInAnyOrderElementsOf(
                        current().values().stream().filter(this::waits).toList());
        assertThat(waiting).hasSize(versions.size()).allSatisfy(each -> {
            RecordedOutcome outcome = versions.get(each.number()).outcome();
            assertThat(each.receivedMillis()).isEqualTo(outcome.receivedMillis());
            assertThat(each.group())
                    .isEqualTo(OutcomeRows.waitingGroup(
                            versions.get(each.number()).key().shard(), outcome.cause()));
        });
        assertThat(rows.waiting(3)).hasSize(3);
        assertThat(rows.at(List.of(1L << 40))).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 100})
    void reviewed_isInPartsTheNewestFirst_withoutWithdrawals(int limit) throws Exception {
        applyRandomOutcomes(100);
        reopen();
        List<Reviewed> found = new ArrayList<>();
        String cursor = null;
        do {
            ReviewedPart part = rows.reviewed(cursor, limit);
            assertThat(part.reviews()).hasSizeBetween(1, limit);
            found.addAll(part.reviews());
            cursor = part.cursor();
        } while (cursor != null && found.size() < MOST_CALLS);

        Map<RowKey, Review> newest = newestReviews();
        List<Reviewed> expected = new ArrayList<>(applied.stream()
                .filter(each -> each instanceof Reviewed reviewed
                        && reviewed.review().equals(newest.get(each.key()))
                        && !reviewed.review().isWithdrawal())
                .map(Reviewed.class::cast)
                .sorted(Comparator.comparing(Reviewed::atMillis)) // the sort keeps the order of application
                .toList());
        Collections.reverse(expected);
        assertThat(found).isEqualTo(expected);
        assertThat(rows.faults(MOST_CALLS))
                .isEqualTo(expected.stream()
                        .filter(each -> each.review().verdict() == Review.Verdict.FAULT)
                        .collect(Collectors.groupingBy(each -> each.key().shard(), Collectors.counting())));
        assertThat(rows.faults(2).values().stream().mapToLong(Long::longValue).sum())
                .isEqualTo(2);
        assertThatThrownBy(() -> rows.reviewed("x", limit)).isInstanceOf(OutcomeRows.InvalidCursorException.class);
    }

    // shards

    /** Shards in the order of their bytes, which is neither the order of UTF-16 nor of any language. */
    private static final List<String> SHARDS = List.of(
            "\u0000",
            "\u0000\u0000",
            "\u0000\u0001",
            "\u0001",
            "\n",
            " ",
            "%",
            "A",
            "a",
            "a\u0000",
            "a\u0000b",
            "a\u0001",
            "a/1",
            "a\\",
            "a_",
            "ab",
            "sha256:" + "0".repeat(64),
            "x".repeat(299),
            "x".repeat(300),
            "x".repeat(300) + "\u0000",
            "\u007f",
            "\u00e4",
            "\u4e2d",
            "\uff5e",
            "\uffff",
            "\ud83d\ude00",
            "\udbff\udfff");

    private void applyShards() {
        List<String> shuffled = new ArrayList<>(SHARDS);
        Collections.shuffle(shuffled, random);
        apply(IntStream.range(0, 2 * shuffled.size())
                .mapToObj(number -> outcome(shuffled.get(number % shuffled.size()), number))
                .toArray(Outcome[]::new));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 5, 100})
    void shards_areInTheOrderOfTheirBytes(int limit) {
        applyShards();

        assertThat(shards("", limit)).isEqualTo(SHARDS);
        for (String prefix :
                List.of("\u0000", "a", "a\u0000", "a_", "%", "x".repeat(300), "\ud83d\ude00", "\uffff", "b")) {
            assertThat(shards(prefix, limit))
                    .isEqualTo(SHARDS.stream()
                            .filter(shard -> shard.startsWith(prefix))
                            .toList());
        }
    }

    @Test
    void shards_afterAShardWithoutRows_beginAtTheNext() {
        applyShards();

        assertThat(rows.shards("", "a0", 3)).containsExactly("a\\", "a_", "ab");
        assertThat(rows.shards("a", "", 2)).containsExactly("a", "a\u0000");
        assertThat(rows.shards("a", "b", 2)).isEmpty();
        assertThat(rows.shards("a", "a\u0000\u0000", 1)).containsExactly("a\u0000b");
        assertThat(rows.shards("", "\udbff\udfff", 1)).isEmpty();
    }

    @Test
    void find_oddShards_selectsTheirRows() throws Exception {
        applyShards();
        reopen();

        for (String shard : SHARDS) {
            for (Order order : Order.values()) {
                assertThat(all(everyRow(order, 1).withShard(shard)))
                        .hasSize(2)
                        .allMatch(version -> version.key().shard().equals(shard));
            }
        }
        assertThat(all(everyRow(Order.EPOCH, 1).withShard("a\u0000c"))).isEmpty();
    }

    private List<String> shards(String prefix, int limit) {
        List<String> all = new ArrayList<>();
        String after = null;
        for (int calls = 0; calls < MOST_CALLS; calls++) {
            List<String> part = rows.shards(prefix, after, limit);
            assertThat(part).hasSizeLessThanOrEqualTo(limit);
            if (part.isEmpty()) {
                return all;
            }
            all.addAll(part);
            after = part.get(part.size() - 1);
        }
        throw new AssertionError("the shards never end");
    }

    // find

    private List<Version> all(OutcomeQuery wanted) {
        List<Version> found = new ArrayList<>();
        OutcomeQuery next = wanted;
        for (int calls = 0; calls < MOST_CALLS; calls++) {
            Rows part = rows.find(next);
            assertThat(part.rows()).hasSizeLessThanOrEqualTo(wanted.limit());
            found.addAll(part.rows());
            if (part.cursor() == null) {
                return found;
            }
            next = wanted.withCursor(part.cursor());
        }
        throw new AssertionError("the parts never end");
    }

    private static OutcomeQuery everyRow(Order order, int limit) {
        return OutcomeQuery.ALL.withOrder(order).withLimit(limit);
    }

    private List<Version> everything() {
        return all(everyRow(Order.OLDEST, 1_000));
    }

    private Outcome randomOutcome(int number) {
        boolean isRare = random.nextInt(50) == 0;
        return new Outcome(
                new RowKey("shard-" + number % 3, random.nextInt(20), id(number)),
                isRare ? "rejected" : random.nextInt(5) == 0 ? "escalated" : "accepted",
                random.nextInt(9) == 0 ? "non_sticky" : random.nextBoolean() ? "sticky" : "mixed",
                isRare ? "rare" : "key-" + random.nextInt(2),
                START.plusMillis(random.nextInt(300)), // many outcomes have the same time
                random.nextInt(4) == 0 ? null : START.minusSeconds(9).plusNanos(random.nextInt(300) * 500_000L),
                random.nextInt(20) != 0);
    }

    private void applyRandomOutcomes(int count) {
        List<Outcome> all = new ArrayList<>();
        for (int number = 0; number < count; number++) {
            all.add(randomOutcome(number));
        }
        for (int again = 0; again < count / 4; again++) {
            Outcome old = all.get(random.nextInt(count));
            all.add(
                    random.nextBoolean()
                            ? old.with("escalated")
                            : new Outcome(
                                    old.row(),
                                    "rejected",
                                    "mixed",
                                    "key-0",
                                    START.plusMillis(random.nextInt(300)),
                                    old.measured(),
                                    true));
        }
        for (int from = 0; from < all.size(); from += 100) {
            Outcome[] outcomes =
                    all.subList(from, Math.min(all.size(), from + 100)).toArray(Outcome[]::new);
            Map<Object, Reviewed> reviews = new LinkedHashMap<>();
            for (int i = 0; i < 30; i++) {
                Reviewed review = review(
                        all.get(random.nextInt(count)).row(), // perhaps of a row that does not exist yet
                        1 + random.nextInt(3),
                        List.of(Review.Verdict.values()).get(random.nextInt(5)),
                        START.plusMillis(random.nextInt(300)));
                if (applied.stream()
                        .noneMatch(each -> each instanceof Reviewed other
                                && each.key().equals(review.key())
                                && other.review().version() == review.review().version())) {
                    reviews.put(List.of(review.key(), review.review().version()), review);
                }
            }
            List<Placed> placed = group(null, Map.of(), outcomes).placed();
            List<PlacedReview> placedReviews = placed(reviews.values().toArray(Reviewed[]::new));
            Position last = new Position("log-0", sequence.get(), "");
            assertThat(rows.apply(new Group(last, placed, placedReviews, Map.of())))
                    .isEmpty();
            note(outcomes);
            applied.addAll(reviews.values());
        }
    }

    private <T> @Nullable T maybe(T value) {
        return random.nextBoolean() ? value : null;
    }

    private Span span(Instant around) {
        Instant from = around.plusNanos(random.nextInt(300) * 500_000L + random.nextInt(2));
        return new Span(maybe(from), maybe(from.plusNanos(random.nextInt(150) * 1_000_000L + random.nextInt(2))));
    }

    private OutcomeQuery randomQuery() {
        return new OutcomeQuery(
                IntStream.range(0, random.nextInt(3))
                        .mapToObj(any -> "shard-" + random.nextInt(4))
                        .collect(Collectors.toSet()),
                maybe(random.nextInt(3) == 0 ? "rare" : "key-0"),
                maybe(List.of(Kind.values()).get(random.nextInt(3))),
                maybe(List.of(Regime.values()).get(random.nextInt(3))),
                random.nextInt(4) == 0
                        ? List.of("D_hat out of tolerance", "r out of bounds", "D")
                                .get(random.nextInt(3))
                        : null,
                null,
                random.nextInt(3) == 0 ? EVER : span(START),
                random.nextInt(3) == 0 ? span(START.minusSeconds(9)) : EVER,
                random.nextInt(4) == 0,
                List.of(Order.values()).get(random.nextInt(3)),
                1 + random.nextInt(40),
                null);
    }

    /** Returns the rows that a query selects, from the versions that were applied. */
    private List<Version> expected(OutcomeQuery wanted) {
        List<Version> current = new ArrayList<>(current().values());
        if (wanted.order() == Order.EPOCH && wanted.shards().size() == 1) {
            return current.stream()
                    .filter(version -> wanted.shards().contains(version.key().shard()))
                    .sorted(Comparator.<Version>comparingLong(
                                    version -> version.key().epoch())
                            .thenComparing(version -> version.key().pcsId()))
                    .toList();
        }
        boolean isByMeasurement = !wanted.measured().equals(EVER);
        Predicate<Version> passes = version -> isWithin(
                        wanted.received(), version.outcome().receivedAt())
                && (!isByMeasurement
                        || isWithin(wanted.measured(), version.outcome().measuredAt()))
                && (wanted.shards().isEmpty()
                        || wanted.shards().contains(version.key().shard()))
                && isOf(wanted.key(), version.outcome().keyId())
                && isOf(wanted.verdict(), version.outcome().verdict().kind())
                && isOf(
                        wanted.regime(),
                        version.outcome().verdict().recomputed().regime())
                && isOf(
                        wanted.reason(),
                        version.outcome().reason().replaceFirst(": .*", "").replace("\u0000", ""))
                && (!wanted.waits() || waits(version));
        List<Version> oldestFirst = new ArrayList<>(current.stream()
                .filter(passes)
                .sorted(Comparator.comparingLong( // the sort keeps the order of application
                        version -> time(version, isByMeasurement).toEpochMilli()))
                .toList());
        if (wanted.order() == Order.NEWEST) {
            Collections.reverse(oldestFirst);
        }
        return oldestFirst;
    }

    private static boolean isOf(@Nullable Object wanted, Object actual) {
        return wanted == null || wanted.equals(actual);
    }

    private static boolean isWithin(Span span, @Nullable Instant time) {
        return time != null
                && (span.from() == null || !time.isBefore(span.from()))
                && (span.to() == null || time.isBefore(span.to()));
    }

    private static Instant time(Version version, boolean isMeasured) {
        RecordedOutcome outcome = version.outcome();
        return isMeasured ? Objects.requireNonNull(outcome.measuredAt()) : outcome.receivedAt();
    }

    @Test
    void find_randomQueries_agreeWithTheListOfAllOutcomes() throws Exception {
        applyRandomOutcomes(OUTCOMES);
        reopen();
        for (int i = 0; i < 300; i++) {
            OutcomeQuery wanted = randomQuery();
            assertThat(all(wanted)).as("%s", wanted).isEqualTo(expected(wanted));
        }
    }

    /** The query by which shards are compared with their past. */
    @ParameterizedTest
    @ValueSource(ints = {1, 7, 51, 1_000})
    void shapes_areThoseOfTheNewestVersionsThatWereNotRejected(int most) throws Exception {
        applyRandomOutcomes(OUTCOMES);
        reopen();
        Map<String, List<Shape>> shapes = rows.shapes(List.of("shard-0", "shard-2", "none"), most);
        assertThat(shapes).hasSize(3);
        for (String shard : shapes.keySet()) {
            assertThat(shapes.get(shard))
                    .isEqualTo(expected(everyRow(Order.NEWEST, 1).withShard(shard)).stream()
                            .filter(version -> version.outcome().verdict().kind() != Kind.REJECTED)
                            .limit(most)
                            .flatMap(version -> Stream.ofNullable(Shape.of(version)))
                            .toList());
        }
    }

    @Test
    void find_boundsInTheSameMillisecond_areExact() {
        Outcome measured = new Outcome(
                outcome("shard", 1).row(), "accepted", "sticky", "key-1", START, START.plusNanos(500_000), true);
        apply(measured);
        for (int nanos : List.of(499_999, 500_000, 500_001)) {
            Instant bound = START.plusNanos(nanos);
            OutcomeQuery from = everyRow(Order.OLDEST, 10).withMeasured(new Span(bound, null));
            OutcomeQuery to = everyRow(Order.OLDEST, 10).withMeasured(new Span(null, bound));
            assertThat(all(from)).hasSize(nanos <= 500_000 ? 1 : 0);
            assertThat(all(to)).hasSize(nanos <= 500_000 ? 0 : 1);
        }
    }

    @Test
    void find_timesFarAway_areBounds() {
        apply(outcome("shard", 1));
        for (Instant far : List.of(Instant.MIN, Instant.parse("0001-01-01T00:00:00Z"))) {
            assertThat(all(receivedIn(new Span(far, null)))).hasSize(1);
            assertThat(all(receivedIn(new Span(null, far)))).isEmpty();
        }
        for (Instant far : List.of(Instant.MAX, Instant.parse("9999-12-31T23:59:59Z"))) {
            assertThat(all(receivedIn(new Span(far, null)))).isEmpty();
            assertThat(all(receivedIn(new Span(null, far)))).hasSize(1);
        }
    }

    private static OutcomeQuery receivedIn(Span received) {
        return everyRow(Order.NEWEST, 10).withReceived(received);
    }

    @Test
    void find_rowsAppliedBetweenParts_repeatsAndMissesNone() {
        applyRandomOutcomes(200);
        List<Version> before = expected(everyRow(Order.NEWEST, 10));
        List<Version> found = new ArrayList<>();
        String cursor = null;
        int number = 10_000;
        do {
            Rows part = rows.find(everyRow(Order.NEWEST, 10).withCursor(cursor));
            found.addAll(part.rows());
            cursor = part.cursor();
            apply(outcome("shard", number++));
        } while (cursor != null && number < 11_000);

        assertThat(found).isEqualTo(before);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"", "x", "0", "-1", "epoch/1", "99999999999999999999999999", "\u0000", "1.2.3.4.5.6", "/", "_"})
    void find_cursorOfNoQuery_isRefused(String cursor) {
        apply(outcome("shard", 1), outcome("shard", 2));

        assertThatThrownBy(() -> rows.find(everyRow(Order.OLDEST, 1).withCursor(cursor)))
                .isInstanceOf(OutcomeRows.InvalidCursorException.class)
                .hasMessageContaining("cursor");
        assertThatThrownBy(() ->
                        rows.find(everyRow(Order.EPOCH, 1).withShard("shard").withCursor(cursor)))
                .isInstanceOf(OutcomeRows.InvalidCursorException.class)
                .hasMessageContaining("cursor");
    }

    @Test
    void find_cursorOfTheOtherOrder_isRefused() {
        apply(outcome("shard", 1), outcome("shard", 2));
        OutcomeQuery byEpoch = everyRow(Order.EPOCH, 1).withShard("shard");
        OutcomeQuery byTime = everyRow(Order.OLDEST, 1).withShard("shard");

        assertThatThrownBy(() -> rows.find(byTime.withCursor(rows.find(byEpoch).cursor())))
                .isInstanceOf(OutcomeRows.InvalidCursorException.class);
        assertThatThrownBy(() -> rows.find(byEpoch.withCursor(rows.find(byTime).cursor())))
                .isInstanceOf(OutcomeRows.InvalidCursorException.class);
    }

    @Test
    void withId_prefixes_selectInTheOrderOfIds() {
        String same = "0123456789abcdef".repeat(4);
        List<String> ids = List.of(
                "0".repeat(64), same.substring(0, 63) + "e", same, "0123456790" + "0".repeat(54), "f".repeat(64));
        List<String> shuffled = new ArrayList<>(ids);
        Collections.shuffle(shuffled, random);
        for (String id : shuffled) {
            apply(new Outcome(new RowKey("shard", 1, id), "accepted", "sticky", "key-1", START, null, true));
            apply(new Outcome(new RowKey("shard", 1, id), "rejected", "sticky", "key-1", START, null, true));
        }
        for (int digits = 8; digits <= 64; digits++) {
            for (String id : ids) {
                String prefix = id.substring(0, digits);
                List<String> expected =
                        ids.stream().filter(each -> each.startsWith(prefix)).toList();
                assertThat(rows.withId(prefix, 10))
                        .extracting(version -> version.key().pcsId())
                        .isEqualTo(expected);
                assertThat(rows.withId(prefix, 1))
                        .hasSize(1)
                        .allMatch(version -> version.outcome().verdict().kind() == Kind.REJECTED);
            }
        }
        assertThat(rows.withId("12345678", 10)).isEmpty();
    }

    // sweep

    private void sweep(Instant before) {
        for (int calls = 0; calls < MOST_CALLS; calls++) {
            if (!rows.sweep(before)) {
                return;
            }
        }
        throw new AssertionError("the sweep never ends");
    }

    @Test
    void sweep_removesOlderRowsWithAllTheirVersions() throws Exception {
        Outcome old = outcome("shard-old", 1);
        Outcome renewed = outcome("shard-new", 2);
        Outcome exactly = outcome("shard-new", 3).received(START.plusSeconds(1));
        Outcome claimedLater = outcome("shard-old", 4);
        apply(old, old.with("rejected"), renewed, exactly, claimedLater);
        apply(renewed.with("escalated").received(START.plusSeconds(2)));
        rows.apply(group(new Position(LOG, 7, "a"), Map.of("note", "text")));
        sweep(START.plusSeconds(1));
        reopen();

        assertThat(everything())
                .containsExactly(
                        exactly.version(),
                        renewed.with("escalated").received(START.plusSeconds(2)).version());
        assertThat(rows.versions(old.row(), 10)).isEmpty();
        assertThat(rows.versions(renewed.row(), 10)).hasSize(2);
        assertThat(rows.shards("", null, 10)).containsExactly("shard-new");
        assertThat(rows.withId(old.row().pcsId(), 10)).isEmpty();
        assertThat(all(everyRow(Order.EPOCH, 10).withShard("shard-old"))).isEmpty();
        assertThat(rows.position(LOG)).contains(new Position(LOG, 7, "a"));
        assertThat(rows.notes("")).hasSize(1);
    }

    @Test
    void sweep_manyRows_removesAllInBoundedCalls() {
        applyRandomOutcomes(3_000);
        sweep(START.plusMillis(150));

        Span kept = new Span(START.plusMillis(150), null);
        assertThat(everything()).isEqualTo(expected(OutcomeQuery.ALL.withReceived(kept)));
        sweep(START.plusSeconds(9));
        assertThat(everything()).isEmpty();
        assertThat(rows.shards("", null, 10)).isEmpty();
    }

    @Test
    void sweep_removesOldReviewsWithoutARow_soThatNoNewerCursorBecomesInvalid() throws Exception {
        Outcome old = outcome("shard", 1).with("rejected");
        Outcome kept = outcome("shard", 2).with("rejected").received(START.plusSeconds(9));
        RowKey missing = outcome("shard", 3).row();
        apply(old, kept);
        apply(IntStream.range(0, 1_200)
                .mapToObj(number -> review(outcome("orphan", number).row(), 1, Review.Verdict.EXPECTED))
                .toArray(Reviewed[]::new));
        rows.sync();
        String before = rows.newest();
        Reviewed ofKept = review(kept.row(), 1, Review.Verdict.FAULT);
        Reviewed recent = review(missing, 1, Review.Verdict.WITHDRAWN, START.plusSeconds(9));
        Reviewed ofOld = review(old.row(), 1, Review.Verdict.FAULT, START.plusSeconds(9));
        apply(ofKept, recent, ofOld);
        sweep(START.plusSeconds(5));
        reopen();

        assertThat(changesAfter("", 10)).containsExactly(kept.version(), ofKept, recent, ofOld);
        assertThat(changesAfter(before, 10)).containsExactly(ofKept, recent, ofOld);
        assertThat(rows.reviewed(null, 10).reviews()).containsExactly(ofOld, ofKept);
        assertThat(rows.faults(10)).isEqualTo(Map.of("shard", 2L));
        sweep(START.plusSeconds(10));
        assertThat(changesAfter("", 10)).isEmpty();
        assertThatThrownBy(() -> rows.changes(before, 10))
                .isInstanceOf(ChangesLostException.class)
                .hasMessageContaining("compacted");
    }

    @Test
    void apply_sweptRow_beginsAgain() {
        Outcome first = outcome("shard", 1);
        apply(first, first.with("rejected"));
        sweep(START.plusSeconds(1));
        apply(first.with("rejected"));

        assertThat(rows.versions(first.row(), 10))
                .containsExactly(first.with("rejected").version());
        assertThat(rows.shards("", null, 10)).containsExactly("shard");
    }

    // changes

    private List<Changed> changesAfter(String cursor, int limit) throws ChangesLostException {
        List<Changed> all = new ArrayList<>();
        String next = cursor;
        for (int calls = 0; calls < MOST_CALLS; calls++) {
            List<Change> part = rows.changes(next, limit);
            assertThat(part).hasSizeLessThanOrEqualTo(limit);
            if (part.isEmpty()) {
                return all;
            }
            part.forEach(change -> all.add(change.changed()));
            next = part.get(part.size() - 1).cursor();
        }
        throw new AssertionError("the changes never end");
    }

    @Test
    void changes_noRows_areEmpty() throws Exception {
        assertThat(rows.changes("", 10)).isEmpty();
        String start = rows.newest();
        assertThat(rows.changes(start, 10)).isEmpty();
        apply(outcome("shard", 1));
        rows.sync();

        assertThat(changesAfter(start, 10)).isEqualTo(applied);
    }

    @Test
    void changes_afterEachCursor_areTheRestOfAllVersionsAndReviewsInTheOrderOfTheirApplication() throws Exception {
        applyRandomOutcomes(100);
        rows.sync();
        List<Change> all = rows.changes("", 1_000);
        reopen();

        for (int i = 0; i < all.size(); i++) {
            assertThat(changesAfter(all.get(i).cursor(), 1_000)).isEqualTo(applied.subList(i + 1, applied.size()));
        }
        for (int limit : new int[] {1, 7, 1_000}) {
            assertThat(changesAfter("", limit)).as("limit %d", limit).isEqualTo(applied);
        }
    }

    /** Versions and reviews are in two tables, which must be read in the same state. */
    @Test
    void changes_whileGroupsAreApplied_missNone() throws Exception {
        var writer = CompletableFuture.runAsync(() -> {
            for (int number = 0; number < 300; number++) {
                Outcome outcome = outcome("shard", number);
                Group group = group(null, Map.of(), outcome);
                List<PlacedReview> reviews = placed(review(outcome.row(), 1, Review.Verdict.EXPECTED));
                rows.apply(new Group(new Position("log-0", sequence.get(), ""), group.placed(), reviews, Map.of()));
            }
        });
        List<Change> followed = new ArrayList<>();
        while (!writer.isDone()) {
            followed.addAll(rows.changes(
                    followed.isEmpty() ? "" : followed.get(followed.size() - 1).cursor(), 9));
        }
        writer.join();
        followed.addAll(rows.changes(followed.get(followed.size() - 1).cursor(), 1_000));

        assertThat(followed).extracting(Change::changed).isEqualTo(changesAfter("", 100));
        assertThat(followed).hasSize(600);
    }

    @Test
    void changes_groupsOfTwoLogs_areInOneOrder() throws Exception {
        assumeTrue(rows.areShared());
        for (int number = 0; number < 10; number++) {
            Outcome each = outcome("shard", number);
            rows.apply(
                    group(new Position("log-" + number % 2, number + 1, "d"), Map.of(), each, each.with("rejected")));
            applied.addAll(List.of(each.version(), each.with("rejected").version()));
        }
        rows.sync();

        assertThat(changesAfter("", 3)).isEqualTo(applied);
    }

    @Test
    void changes_afterTheLogWentBack_refuseOldCursors() throws Exception {
        rows.apply(group(new Position(LOG, 7, "a"), Map.of(), outcome("shard", 1), outcome("shard", 2)));
        rows.sync();
        List<String> old = List.of(rows.changes("", 1).get(0).cursor(), rows.newest());
        rows.wentBack(LOG);
        rows.apply(group(new Position(LOG, 2, "b"), Map.of(), outcome("shard", 1), outcome("shard", 3)));

        for (int again = 0; again < 2; again++) {
            reopen();
            for (String cursor : old) {
                assertThatThrownBy(() -> rows.changes(cursor, 10))
                        .isInstanceOf(ChangesLostException.class)
                        .hasMessageContaining("history changed");
            }
            for (int limit : new int[] {1, 10}) {
                assertThat(changesAfter("", limit))
                        .containsExactly(
                                outcome("shard", 1).version(),
                                outcome("shard", 2).version(),
                                outcome("shard", 3).version());
            }
            assertThat(rows.changes(rows.newest(), 10)).isEmpty();
        }
    }

    @Test
    void changes_afterARemovedVersion_areCompacted() throws Exception {
        apply(outcome("shard", 1), outcome("shard", 2), outcome("shard", 3).received(START.plusSeconds(9)));
        rows.sync();
        List<Change> all = rows.changes("", 10);
        sweep(START.plusSeconds(1));
        apply(outcome("shard", 4).received(START.plusSeconds(9)));
        reopen();

        assertThatThrownBy(() -> rows.changes(all.get(0).cursor(), 10))
                .isInstanceOf(ChangesLostException.class)
                .hasMessageContaining("compacted");
        assertThat(changesAfter(all.get(1).cursor(), 10)).isEqualTo(applied.subList(2, 4));
        assertThat(changesAfter(all.get(2).cursor(), 10)).isEqualTo(applied.subList(3, 4));
        assertThat(changesAfter("", 10)).isEqualTo(applied.subList(2, 4));
    }

    @Test
    void changes_everythingRemoved_continueAfterTheNewest() throws Exception {
        apply(outcome("shard", 1), outcome("shard", 2));
        rows.sync();
        String newest = rows.newest();
        sweep(START.plusSeconds(1));
        reopen();
        String newestAfterwards = rows.newest();
        apply(outcome("shard", 3));
        rows.sync();

        for (String cursor : Arrays.asList("", newest, newestAfterwards)) {
            assertThat(changesAfter(cursor, 10)).isEqualTo(applied.subList(2, 3));
        }
    }

    /** A reader that begins at the oldest version must not be sent back to it again and again. */
    @Test
    void changes_fromTheOldestOfPartlyRemovedVersions_reachTheEnd() throws Exception {
        for (int number = 0; number < 9; number++) {
            apply(outcome("shard", number).received(START.plusSeconds(number == 7 ? 0 : 9)));
        }
        sweep(START.plusSeconds(1));
        rows.sync();
        applied.remove(7);

        assertThat(changesAfter("", 2)).isEqualTo(applied);
    }

    @Test
    void changes_cursorOfOtherRows_isRefused() throws Exception {
        apply(outcome("shard", 1));
        try (OutcomeRows others = open("others")) {
            others.apply(
                    group(new Position("log-of-others", 2, ""), Map.of(), outcome("shard", 1), outcome("shard", 2)));
            others.sync();
            for (String cursor :
                    List.of(others.newest(), others.changes("", 1).get(0).cursor())) {
                assertThatThrownBy(() -> rows.changes(cursor, 10))
                        .isInstanceOf(OutcomeRows.InvalidCursorException.class)
                        .hasMessageContaining("cursor");
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"x", "0", "-1", "99999999999999999999999999", "\u0000", "1.2.3.4.5.6", "/", "_", "."})
    void changes_cursorOfNoChange_isRefused(String cursor) {
        apply(outcome("shard", 1));

        assertThatThrownBy(() -> rows.changes(cursor, 10))
                .isInstanceOf(OutcomeRows.InvalidCursorException.class)
                .hasMessageContaining("cursor");
    }
}
