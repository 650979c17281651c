// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.backend.decide.RecordedOutcome;
import dev.flk.backend.outcomes.record.OutcomeQuery.Order;
import dev.flk.backend.outcomes.record.OutcomeQuery.Span;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.Review.Verdict;
import dev.flk.backend.outcomes.record.ReviewIndex.Fault;
import dev.flk.canonical.CanonicalString;
import dev.flk.program.json.Json;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.Metrics.Gauge;
import dev.flk.program.metrics.Metrics.Sample;
import dev.flk.program.time.DaemonThreads;
import dev.flk.state.Event;
import dev.flk.state.History;
import dev.flk.state.History.At;
import dev.flk.state.History.Events;
import dev.flk.state.History.Token;
import dev.flk.state.Operation;
import dev.flk.state.StateEngine;
import dev.flk.state.StateException;
import dev.flk.state.StateException.Reason;
import dev.flk.state.StateKey;
import dev.flk.state.StateReads.Found;
import dev.flk.state.Storage.Head;
import dev.flk.state.Version;
import dev.flk.verification.Verdict.Kind;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.function.ToDoubleFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The reviews of certificates that were escalated or rejected. A review is a versioned key in the namespace {@code
 * flk.review}, with the agent id and the name of the outcome's key in the record. Reads and writes block. Safe for any
 * thread.
 */
public final class Reviews implements AutoCloseable {
    /** The namespace of the reviews. */
    public static final String NAMESPACE = "flk.review";

    /** The condition that a certificate has no review, or only one that was withdrawn. */
    public static final long NO_REVIEW = 0;

    private static final Logger LOG = LoggerFactory.getLogger(Reviews.class);
    private static final JsonMapper JSON = new JsonMapper();
    private static final Comparator<Waiting> NEWEST_FIRST =
            Comparator.comparing(Waiting::receivedAt).reversed().thenComparing(Waiting::pcsId);
    private static final String CALLER = "reviews";
    private static final int AT_ONCE = 200;

    private static final long FIRST_COUNT_SECONDS = 5;
    private static final long COUNT_SECONDS = 10;
    private static final long MOST_WAIT_SECONDS = 1;

    /** The verdicts of certificates that wait for a review. */
    static final List<Kind> VERDICTS = List.of(Kind.ESCALATED, Kind.REJECTED);

    private final RecordedOutcomes record;
    private final StateEngine engine;
    private final Duration overdueAfter;
    private final Duration kept;
    private final InstantSource clock;
    private final ReviewMetrics metrics;
    private final ReviewIndex index; // guarded by turn
    private final ReentrantLock turn = new ReentrantLock();
    private final ScheduledThreadPoolExecutor timer =
            new ScheduledThreadPoolExecutor(1, DaemonThreads.named("reviews"));

    /** The metrics of reviews. */
    public static final class ReviewMetrics extends Metrics.Feature {
        private final Gauge waiting = gauge(
                "flk_review_waiting",
                "Escalated and rejected certificates without a review; NaN while they can't be counted, because the"
                        + " state, which has the reviews, is off or down.");
        private final Gauge overdue = gauge(
                "flk_review_overdue",
                "Certificates that have waited for a review longer than REVIEW_AFTER; NaN while they can't be"
                        + " counted.");
        private static final String OTHERS = "(others)";

        private final int mostShards;
        private volatile double waitingNow = Double.NaN;
        private volatile double overdueNow = Double.NaN;
        private volatile List<Sample> faultsNow = List.of();
        /** The shards that are shown separately, with the numbers of their faults; guarded by this. */
        private final Map<String, Long> faults = new LinkedHashMap<>();

        /** @param mostShards the maximum number of shards that are shown separately; 0 to show no shard at all */
        public ReviewMetrics(Metrics metrics, int mostShards) {
            super(metrics);
            this.mostShards = mostShards;
            waiting.watch(() -> waitingNow);
            overdue.watch(() -> overdueNow);
            gaugeFamily(
                    "flk_review_faults",
                    "Certificates whose newest review says that they show a fault; NaN while they can't be counted.",
                    List.of("shard"),
                    () -> faultsNow);
        }

        /** Shows the faults of each shard. A shard without faults is shown as 0 once it had one. */
        private synchronized void show(Map<String, Long> ofShards) {
            faults.replaceAll((shard, before) -> 0L);
            ofShards.forEach((shard, count) -> {
                boolean isShown = faults.containsKey(shard) || faults.size() < mostShards;
                faults.merge(isShown && !shard.equals(OTHERS) ? shard : OTHERS, count, Long::sum);
            });
            faultsNow = mostShards == 0 ? List.of() : samples(count -> count);
        }

        private synchronized void showNothing() {
            waitingNow = Double.NaN;
            overdueNow = Double.NaN;
            faultsNow = samples(count -> Double.NaN);
        }

        private List<Sample> samples(ToDoubleFunction<Long> value) {
            return faults.entrySet().stream()
                    .map(each -> new Sample(
                            List.of(each.getKey().equals(OTHERS) ? OTHERS : CanonicalString.escape(each.getKey())),
                            value.applyAsDouble(each.getValue())))
                    .toList();
        }
    }

    /**
     * An outcome that may need a review.
     *
     * @param cause the reason without its numbers
     */
    public record Waiting(RowKey row, Kind verdict, String reason, String cause, Instant receivedAt) {
        /** Returns the outcome of a version. */
        public static Waiting of(OutcomeRows.Version version) {
            RecordedOutcome outcome = version.outcome();
            return new Waiting(
                    version.key(), outcome.verdict().kind(), outcome.reason(), outcome.cause(), outcome.receivedAt());
        }

        public String shard() {
            return row.shard();
        }

        public String pcsId() {
            return row.pcsId();
        }

        StateKey key() {
            return RecordedOutcomes.key(NAMESPACE, row.shard(), row.epoch(), row.pcsId());
        }
    }

    /**
     * The outcomes without a review, newest first.
     *
     * @param isCut whether more outcomes wait, which are not among these
     */
    public record AllWaiting(List<Waiting> outcomes, boolean isCut) {}

    /** The certificates that a review is about. */
    public sealed interface Reviewed {
        /**
         * The certificates with these ids.
         *
         * @param pcsIds ids, or at least their first {@link RecordedOutcomes#LEAST_ID_DIGITS} digits
         * @param ifVersion the version that the newest review must have; {@link #NO_REVIEW} if there must be none;
         *     {@link Operation#ANY_VERSION} to replace any review
         */
        record Ids(List<String> pcsIds, long ifVersion) implements Reviewed {}

        /**
         * The certificates of a shard that have no review.
         *
         * @param cause see {@link Waiting#cause}
         * @param from the arrival of the first of these certificates
         * @param until the arrival of the last of these certificates; later ones are not reviewed, because the author
         *     has not seen them
         * @param reviewedAt the time of their review, if it is to be withdrawn: the certificates that were reviewed at
         *     this time; null for those that have no review
         * @param shown the number of these certificates that the author has seen; null if it is not known
         */
        record Group(
                String shard,
                String cause,
                Instant from,
                Instant until,
                @Nullable String reviewedAt,
                @Nullable Integer shown)
                implements Reviewed {
            /** The certificates that have no review. */
            public Group(String shard, String cause, Instant from, Instant until) {
                this(shard, cause, from, until, null, null);
            }

            private boolean contains(Waiting each) {
                return each.cause().equals(cause)
                        && !each.receivedAt().isBefore(from)
                        && !each.receivedAt().isAfter(until);
            }
        }
    }

    /** Says that a group has another number of certificates than the author of its review has seen. */
    public static final class OtherNumberException extends RuntimeException {
        private static final long serialVersionUID = 1;

        private OtherNumberException(int shown, int now) {
            super(
                    "the number of certificates that wait in the group is now " + now + ", not " + shown
                            + " as the page showed",
                    null,
                    false,
                    false);
        }
    }

    /** A version of a review. */
    public record Made(long version, Review review) {}

    /**
     * A review as listed, under its key.
     *
     * @param made the newest version of the review; null if the value of the key is not a review, because another
     *     client has written it
     */
    public record Listed(
            StateKey key, String shard, @Nullable Made made) {}

    /**
     * A certificate with its newest review, which was not withdrawn.
     *
     * @param cause see {@link Waiting#cause}; null if it was not needed so far
     * @param at the time of the review; {@link Instant#MIN} if another client has written a time that can't be read
     */
    public record Recent(
            StateKey key, String shard, @Nullable String cause, Made made, Instant at) {
        static Recent of(StateKey key, String shard, @Nullable String cause, Made made) {
            try {
                return new Recent(
                        key, shard, cause, made, Instant.parse(made.review().at()));
            } catch (DateTimeException e) {
                return new Recent(key, shard, cause, made, Instant.MIN);
            }
        }

        public String pcsId() {
            return key.name().substring(key.name().lastIndexOf('/') + 1);
        }
    }

    /**
     * The newest reviews, the newest first.
     *
     * @param isCut whether there are older reviews, which are not among these
     */
    public record AllRecent(List<Recent> reviews, boolean isCut) {}

    /**
     * @param overdueAfter the time after which an outcome without a review counts as overdue
     * @param kept the time for which outcomes and reviews are kept
     */
    public Reviews(
            RecordedOutcomes record,
            StateEngine engine,
            Duration overdueAfter,
            Duration kept,
            InstantSource clock,
            ReviewMetrics metrics) {
        this.record = record;
        this.engine = engine;
        this.overdueAfter = overdueAfter;
        this.kept = kept;
        this.clock = clock;
        this.metrics = metrics;
        this.index = new ReviewIndex(record, this, ReviewIndex.MOST);
    }

    /** Starts to count, every ten seconds, the outcomes that wait for a review. */
    public Reviews start() {
        var unused = timer.scheduleWithFixedDelay(this::count, FIRST_COUNT_SECONDS, COUNT_SECONDS, TimeUnit.SECONDS);
        return this;
    }

    /** Counts what the metrics show. */
    void count() {
        try {
            updated(() -> {
                Instant overdue = clock.instant().minus(overdueAfter);
                metrics.overdueNow = index.waiting().stream()
                        .filter(each -> each.receivedAt().isBefore(overdue))
                        .count();
                metrics.waitingNow = index.waiting().size();
                metrics.show(index.faults().stream()
                        .collect(Collectors.groupingBy(Fault::shard, TreeMap::new, Collectors.counting())));
                return metrics;
            });
        } catch (StateException | RecordUnavailableException e) {
            metrics.showNothing(); // the state and the record report their outages themselves
        } catch (RuntimeException e) {
            metrics.showNothing();
            LOG.error(
                    "the certificates that wait for a review could not be counted; the next attempt is in ten seconds",
                    e);
        }
    }

    /**
     * Returns the outcomes that wait for a review.
     *
     * @param shard the shard; null for all shards
     * @throws StateException if the reviews can't be read
     * @throws RecordUnavailableException if the record can't be read
     */
    public AllWaiting waiting(@Nullable String shard) {
        return updated(() -> new AllWaiting(
                index.waiting().stream()
                        .filter(each -> shard == null || shard.equals(each.shard()))
                        .sorted(NEWEST_FIRST)
                        .toList(),
                index.isCut()));
    }

    /**
     * Returns the newest review of each of the certificates that were reviewed last, at most {@link
     * ReviewIndex#MOST_RECENT}.
     *
     * @throws StateException if the reviews can't be read
     * @throws RecordUnavailableException if the record can't be read
     */
    public AllRecent recent() {
        return updated(() -> new AllRecent(index.recent(), index.isRecentCut()));
    }

    /**
     * Reads from the index once it has applied what has changed.
     *
     * @throws StateException STARTING if another thread uses the index for long, as while it is read for the first time,
     *     or while a store hangs; so only one of the few threads of a caller waits for a store
     */
    private <T> T updated(Supplier<T> reading) {
        try {
            if (!turn.tryLock(MOST_WAIT_SECONDS, TimeUnit.SECONDS)) {
                throw Reason.STARTING.because("they are being read; try again in a minute");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw Reason.STARTING.because("this backend is stopping");
        }
        try {
            index.update(oldestKept());
            return reading.get();
        } finally {
            turn.unlock();
        }
    }

    /** Returns the {@linkplain Waiting#cause cause} of a reviewed certificate; empty if the record no longer has it. */
    public Optional<String> cause(Recent reviewed) {
        return Optional.ofNullable(reviewed.cause())
                .or(() -> record.withKey(reviewed.key())
                        .map(version -> Waiting.of(version).cause()));
    }

    /** Returns the versions of outcomes in the record; those that the record no longer has are left out. */
    public List<OutcomeRows.Version> recorded(List<Waiting> outcomes) {
        return outcomes.stream()
                .flatMap(each -> record.withKey(each.key()).stream())
                .toList();
    }

    private Instant oldestKept() {
        return clock.instant().minus(kept);
    }

    /** Returns of each outcome whether it has a review that was not withdrawn. */
    List<Boolean> areReviewed(List<Waiting> outcomes) {
        return newest(outcomes).stream().map(Newest::isReviewed).toList();
    }

    /**
     * A certificate whose review was not recorded, because the condition did not hold.
     *
     * @param review the newest review, which remains; null if there is none
     */
    public record LeftOut(Waiting outcome, @Nullable Made review) {}

    /**
     * The effect of a call of {@link #review}.
     *
     * @param reviewed the number of certificates that the review was recorded for
     * @param version the version of the review if it was recorded for one certificate; otherwise 0
     * @param leftOut the certificates whose newest review is another one; it remains
     */
    public record Recorded(int reviewed, long version, List<LeftOut> leftOut) {
        private static Recorded sum(List<Recorded> parts) {
            int reviewed = parts.stream().mapToInt(Recorded::reviewed).sum();
            return new Recorded(
                    reviewed,
                    reviewed == 1 ? parts.stream().mapToLong(Recorded::version).sum() : 0,
                    parts.stream().flatMap(part -> part.leftOut().stream()).toList());
        }
    }

    /**
     * The newest version of a review.
     *
     * @param version 0 if there is none
     * @param made the review; null if there is none, or if another client has written a value that is not a review
     */
    private record Newest(long version, @Nullable Made made) {
        /** Returns whether the certificate does not wait for a review. */
        boolean isReviewed() {
            return version != NO_REVIEW && (made == null || made.review().verdict() != Verdict.WITHDRAWN);
        }

        boolean meets(long ifVersion) {
            return ifVersion == Operation.ANY_VERSION
                    || (ifVersion == NO_REVIEW ? !isReviewed() : ifVersion == version);
        }

        private boolean isMadeAt(String at) {
            return isReviewed() && made != null && made.review().at().equals(at);
        }
    }

    /**
     * Records a review of certificates. A review that withdraws reviews affects only certificates that have one.
     *
     * @throws IllegalArgumentException if a certificate was accepted, or an id is the beginning of several; the message
     *     is a sentence
     * @throws OtherNumberException if another number than {@link Reviewed.Group#shown} waits; nothing was recorded
     * @throws StateException if the review is not durable
     */
    public Recorded review(Reviewed reviewed, Review review) {
        boolean isWithdrawn = review.verdict() == Verdict.WITHDRAWN;
        if (reviewed instanceof Reviewed.Ids ids) {
            List<Waiting> outcomes = ids.pcsIds().stream()
                    .flatMap(id -> reviewable(id).stream())
                    .distinct()
                    .toList();
            return write(
                    outcomes, review, newest -> newest.meets(ids.ifVersion()) && (newest.isReviewed() || !isWithdrawn));
        }
        Reviewed.Group group = (Reviewed.Group) reviewed;
        String at = group.reviewedAt();
        return reviewGroup(group, review, at == null ? newest -> !newest.isReviewed() : newest -> newest.isMadeAt(at));
    }

    private Recorded reviewGroup(Reviewed.Group group, Review review, Predicate<Newest> condition) {
        Instant last = Instant.MAX.minusMillis(1);
        Span received = new Span(
                group.from(), group.until().isBefore(last) ? group.until().plusMillis(1) : null);
        List<Waiting> outcomes = new ArrayList<>(); // all of them, to report what others review meanwhile
        for (Kind verdict : VERDICTS) {
            String cursor = null;
            do {
                OutcomeRows.Rows part = record.rows()
                        .find(OutcomeQuery.ALL
                                .withShard(group.shard())
                                .withVerdict(verdict)
                                .withReceived(received)
                                .withOrder(Order.NEWEST)
                                .withLimit(AT_ONCE)
                                .withCursor(cursor));
                List<Waiting> all = part.rows().stream()
                        .map(Waiting::of)
                        .filter(group::contains)
                        .toList();
                List<Newest> newest = newest(all);
                IntStream.range(0, all.size())
                        .filter(i -> condition.test(newest.get(i)))
                        .forEach(i -> outcomes.add(all.get(i)));
                cursor = part.cursor();
            } while (cursor != null);
        }
        Integer shown = group.shown();
        if (shown != null && shown != outcomes.size()) {
            throw new OtherNumberException(shown, outcomes.size());
        }
        return write(outcomes, review, condition);
    }

    private Recorded write(List<Waiting> outcomes, Review review, Predicate<Newest> condition) {
        List<Recorded> parts = new ArrayList<>();
        for (int from = 0; from < outcomes.size(); from += AT_ONCE) {
            parts.add(
                    writeAtOnce(outcomes.subList(from, Math.min(outcomes.size(), from + AT_ONCE)), review, condition));
        }
        return Recorded.sum(parts);
    }

    /** Reviews the outcomes whose newest review meets the condition, in one commit. */
    private Recorded writeAtOnce(List<Waiting> outcomes, Review review, Predicate<Newest> condition) {
        while (true) {
            List<Operation> writes = new ArrayList<>();
            List<LeftOut> leftOut = new ArrayList<>();
            List<Newest> newest = newest(outcomes);
            for (int i = 0; i < outcomes.size(); i++) {
                Waiting outcome = outcomes.get(i);
                Newest before = newest.get(i);
                if (condition.test(before)) {
                    writes.add(engine.write(outcome.key(), Json.line(review), before.version()));
                } else {
                    leftOut.add(new LeftOut(outcome, before.made()));
                }
            }
            try {
                List<Long> versions = writes.isEmpty() ? List.of() : commit(writes);
                return new Recorded(writes.size(), versions.size() == 1 ? versions.get(0) : 0, leftOut);
            } catch (StateException e) {
                if (e.reason() != Reason.VERSION_CONFLICT) {
                    throw e;
                }
            }
        }
    }

    private List<Newest> newest(List<Waiting> outcomes) {
        List<StateKey> keys = outcomes.stream().map(Waiting::key).toList();
        List<Found> found = keys.isEmpty()
                ? List.of()
                : engine.reads().get(keys, new At.Now()).found();
        return IntStream.range(0, keys.size())
                .mapToObj(i -> found.get(i) instanceof Found.Present present
                        ? new Newest(
                                present.version().version(),
                                made(keys.get(i), present.version()).orElse(null))
                        : new Newest(NO_REVIEW, null))
                .toList();
    }

    /** Returns the outcome with an id, or whose id begins with these digits; empty if the record has none. */
    private Optional<Waiting> reviewable(String id) {
        List<OutcomeRows.Version> found = record.rows().withId(id, 2);
        if (found.isEmpty()) {
            return Optional.empty();
        }
        Waiting outcome = Waiting.of(found.get(0));
        if (found.size() > 1 && !found.get(1).key().pcsId().equals(outcome.pcsId())) {
            throw new IllegalArgumentException(
                    "several certificates have ids that begin with " + id + "; give more digits");
        }
        if (!VERDICTS.contains(outcome.verdict())) {
            throw new IllegalArgumentException(
                    "the certificate " + outcome.pcsId() + " was accepted, so there is nothing to review");
        }
        return Optional.of(outcome);
    }

    /** Returns the new version of each key. */
    private List<Long> commit(List<Operation> writes) {
        try {
            return engine.apply(CALLER, writes, "").toCompletableFuture().join().versions();
        } catch (CompletionException e) {
            if (e.getCause() instanceof StateException refused) {
                throw refused;
            }
            throw e;
        }
    }

    /** Returns the versions of the review of an outcome, the newest first, at most 100. */
    public List<Made> versions(String shard, long epoch, String pcsId) {
        StateKey key = RecordedOutcomes.key(NAMESPACE, shard, epoch, pcsId);
        return engine.reads().history(key, Long.MAX_VALUE, 100).stream()
                .flatMap(version -> made(key, version).stream())
                .toList();
    }

    /**
     * Returns a page of the newest versions of all reviews, also of withdrawn ones, in the order of their keys.
     *
     * @param after the last key of the previous page; null for the first page
     * @return at most {@link StateEngine#MAX_PAGE}; an empty list after the last page
     */
    public List<Listed> reviewed(@Nullable StateKey after) {
        return engine.reads().values(NAMESPACE, "", after).stream()
                .map(each -> new Listed(
                        each.key(),
                        shardOf(each.key()),
                        made(each.key(), each.version()).orElse(null)))
                .toList();
    }

    /**
     * A review that was made or changed.
     *
     * @param position the position after this review
     */
    public record Changed(StateKey key, Made made, String position) {}

    /**
     * Reviews that were made or changed, in their order.
     *
     * @param position the position after everything that was examined
     * @param hasMore whether more may follow now
     */
    public record Changes(List<Changed> reviews, String position, boolean hasMore) {}

    /**
     * A position in the history of the state.
     *
     * @param micros the commit time of the revision; null if it is not known
     * @param sent the number of changes of the next commit with reviews that are before this position as well
     */
    private record Position(
            String historyId, long revision, @Nullable Long micros, int sent) {
        private static final Pattern TEXT =
                Pattern.compile("([0-9A-Za-z-]{1,64})-([0-9]{1,18})\\.([0-9]{0,18})/([0-9]{1,9})");

        static Position parse(String text) {
            Matcher parts = TEXT.matcher(text);
            if (!parts.matches()) {
                throw Reason.INVALID.because("the cursor was not returned by /v1/outcomes/changes");
            }
            return new Position(
                    parts.group(1),
                    Long.parseLong(parts.group(2)),
                    parts.group(3).isEmpty() ? null : Long.valueOf(parts.group(3)),
                    Integer.parseInt(parts.group(4)));
        }

        Position after(int changes) {
            return new Position(historyId, revision, micros, changes);
        }

        @Override
        public String toString() {
            return historyId + "-" + revision + "." + (micros == null ? "" : micros) + "/" + sent;
        }
    }

    /** Returns the position after the newest review. */
    public String newest() {
        Head head = engine.head();
        return new Position(head.historyId(), head.revision(), head.committedAtMicros(), 0).toString();
    }

    /**
     * Returns the next reviews that were made or changed. A part may have fewer than the limit although more follow.
     *
     * @param after the position after which the part begins; empty for the oldest review that the history has
     * @throws StateException INVALID if the position is not one of reviews; HISTORY_CHANGED or COMPACTED if later
     *     reviews may be lost; another reason if the state can't be read
     */
    public Changes changes(String after, int limit) {
        Head head = engine.head();
        History history = engine.history();
        Position position = after.isEmpty()
                ? new Position(head.historyId(), history.oldest(NAMESPACE) - 1, null, 0)
                : Position.parse(after);
        long last = history.resume(
                new Token(position.historyId(), position.revision(), position.micros()), NAMESPACE, "", any -> true);
        if (last != position.revision()) {
            position = new Position(position.historyId(), last, null, 0);
        }
        Events page = history.events(
                position.historyId(), last + 1, Long.MAX_VALUE, NAMESPACE, any -> true, StateEngine.MAX_PAGE_BYTES);
        List<Changed> reviews = new ArrayList<>();
        for (Event event : page.events()) {
            List<Event.Change> changes = event.changes();
            for (int i = position.sent(); i < changes.size(); i++) {
                if (reviews.size() == limit) {
                    return new Changes(reviews, position.toString(), true);
                }
                boolean isLast = i == changes.size() - 1;
                position = isLast
                        ? new Position(position.historyId(), event.revision(), event.committedAtMicros(), 0)
                        : position.after(i + 1);
                Optional<Made> made = made(event, changes.get(i));
                if (made.isPresent()) {
                    reviews.add(new Changed(changes.get(i).key(), made.get(), position.toString()));
                }
            }
        }
        if (page.next() > position.revision() + 1) {
            position = new Position(position.historyId(), page.next() - 1, page.lastAtMicros(), 0);
        }
        return new Changes(reviews, position.toString(), page.next() <= head.revision());
    }

    /**
     * Returns the line of a review.
     *
     * @throws RecordUnavailableException if the record can't be read
     */
    public ReviewLine line(Changed changed) {
        return ReviewLine.of(changed, record.withKey(changed.key()).map(OutcomeRows.Version::key));
    }

    private static Optional<Made> made(Event event, Event.Change change) {
        return made(
                change.key(),
                new Version(change.version(), event.revision(), event.committedAtMicros(), change.json()));
    }

    /** Returns the shard of a review; the agent id if it is a hash and the record no longer has the outcome. */
    private String shardOf(StateKey key) {
        return RecordedOutcomes.isHashed(key.agentId())
                ? record.withId(key.name().substring(key.name().lastIndexOf('/') + 1), 1).stream()
                        .map(version -> version.key().shard())
                        .findFirst()
                        .orElse(key.agentId())
                : key.agentId();
    }

    private static Optional<Made> made(StateKey key, Version version) {
        String json = version.json();
        try {
            return json == null
                    ? Optional.empty()
                    : Optional.of(new Made(version.version(), JSON.readValue(json, Review.class)));
        } catch (JsonProcessingException e) {
            LOG.warn(
                    "the value of key {} of agent {} in {} is not a review and is left out: {}",
                    key.name(),
                    key.agentId(),
                    NAMESPACE,
                    e.getOriginalMessage());
            return Optional.empty();
        }
    }

    @Override
    public void close() {
        timer.shutdownNow();
    }
}
