// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.backend.outcomes.record.OutcomeQuery.Order;
import dev.flk.backend.outcomes.record.OutcomeRows.Change;
import dev.flk.backend.outcomes.record.OutcomeRows.ChangesLostException;
import dev.flk.backend.outcomes.record.OutcomeRows.InvalidCursorException;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.Review.Verdict;
import dev.flk.backend.outcomes.record.Reviews.Listed;
import dev.flk.backend.outcomes.record.Reviews.Made;
import dev.flk.backend.outcomes.record.Reviews.Recent;
import dev.flk.backend.outcomes.record.Reviews.Waiting;
import dev.flk.state.StateException;
import dev.flk.state.StateException.Reason;
import dev.flk.state.StateKey;
import dev.flk.verification.Verdict.Kind;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The certificates that wait for a review, the reviews that found a fault, and the newest reviews, in memory. Each call first applies what
 * has changed in the record and in the reviews since the previous call, so its answer is exact whichever backend has made
 * the changes. The first call, and a call after which changes may have been missed, read the record and the reviews.
 *
 * <p>Changes are applied by looking up what is current now, so that applying a change twice, or one that was read already,
 * does no harm.
 *
 * <p>Not safe for concurrent use. Calls block.
 */
final class ReviewIndex {
    /** The maximum number of certificates, and of faults, that are kept: about 30 MB each. */
    static final int MOST = 100_000;

    /** The maximum number of the newest reviews that are kept: about 6 MB, or 25 MB if all notes have the maximum length. */
    static final int MOST_RECENT = 10_000;

    private static final Comparator<Recent> NEWEST_FIRST = Comparator.comparing(Recent::at)
            .reversed()
            .thenComparing(each -> each.key().agentId())
            .thenComparing(each -> each.key().name());

    private static final Comparator<Waiting> OLDEST_FIRST = Comparator.comparing(Waiting::receivedAt)
            .thenComparing(Waiting::shard)
            .thenComparing(each -> each.row().epoch())
            .thenComparing(Waiting::pcsId);

    private static final int AT_ONCE = 200;

    private final RecordedOutcomes record;
    private final Reviews reviews;
    private final int most;
    private final Map<RowKey, Waiting> waiting = new HashMap<>();
    private final NavigableSet<Waiting> oldestFirst = new TreeSet<>(OLDEST_FIRST);
    private final Map<StateKey, Fault> faults = new HashMap<>();
    private final Map<StateKey, Recent> recent = new HashMap<>();
    private final NavigableSet<Recent> newestFirst = new TreeSet<>(NEWEST_FIRST);
    private boolean isRecentCut;
    private boolean isRead;
    private boolean isCut;
    private boolean wasIncomplete;
    private String changed = "";
    private String reviewed = "";

    /** A review that found a fault, and its time in ISO 8601, as its author's backend has written it. */
    record Fault(String shard, String at) {}

    ReviewIndex(RecordedOutcomes record, Reviews reviews, int most) {
        this.record = record;
        this.reviews = reviews;
        this.most = most;
    }

    /**
     * Applies what has changed.
     *
     * @param oldest the arrival of the oldest outcome that is still kept
     * @throws StateException if the reviews can't be read
     * @throws OutcomeRows.RecordUnavailableException if the record can't be read
     */
    void update(Instant oldest) {
        boolean isIncomplete = record.incompleteBefore().isPresent();
        boolean isCompleted = wasIncomplete && !isIncomplete; // rows that were copied are no changes
        boolean hasRoom = isCut && waiting.size() < most / 2;
        isRead &= !isCompleted && !hasRoom;
        wasIncomplete = isIncomplete;
        if (!isRead) {
            readAll();
        }
        if (!follow()) {
            isRead = false;
            readAll();
            follow(); // what is lost again is found by the next call
        }
        while (!oldestFirst.isEmpty() && oldestFirst.first().receivedAt().isBefore(oldest)) {
            remove(oldestFirst.first().row());
        }
        faults.values().removeIf(each -> each.at().compareTo(oldest.toString()) < 0);
        while (!newestFirst.isEmpty() && newestFirst.last().at().isBefore(oldest)) {
            forget(newestFirst.last());
        }
    }

    /** Returns the certificates that wait, in no order; they change with the next {@link #update}. */
    Collection<Waiting> waiting() {
        return waiting.values();
    }

    /** Returns whether more certificates wait, which are older than those that are kept. */
    boolean isCut() {
        return isCut;
    }

    /** Returns the reviews that found a fault; they change with the next {@link #update}. */
    Collection<Fault> faults() {
        return faults.values();
    }

    /** Returns the newest reviews that were not withdrawn, the newest first. */
    List<Recent> recent() {
        return List.copyOf(newestFirst);
    }

    /** Returns whether there are older reviews than those that are kept. */
    boolean isRecentCut() {
        return isRecentCut;
    }

    private void readAll() {
        waiting.clear();
        oldestFirst.clear();
        faults.clear();
        recent.clear();
        newestFirst.clear();
        isCut = false;
        isRecentCut = false;
        changed = record.rows().newest();
        reviewed = reviews.newest();
        StateKey last = null;
        do {
            List<Listed> page = reviews.reviewed(last);
            page.forEach(each -> putReview(each.key(), each.shard(), null, each.made()));
            last = page.isEmpty() ? null : page.get(page.size() - 1).key();
        } while (last != null);
        for (Kind verdict : Reviews.VERDICTS) {
            String cursor = null;
            OutcomeRows.Rows page;
            do {
                page = record.rows()
                        .find(OutcomeQuery.ALL
                                .withVerdict(verdict)
                                .withOrder(Order.NEWEST)
                                .withLimit(AT_ONCE)
                                .withCursor(cursor));
                put(page.rows());
                cursor = page.cursor();
            } while (cursor != null
                    && (page.rows().isEmpty() || page.rows().stream().anyMatch(this::isRecentEnough)));
        }
        isRead = true;
    }

    private boolean isRecentEnough(Version row) {
        return !isCut
                || !Waiting.of(row).receivedAt().isBefore(oldestFirst.first().receivedAt());
    }

    /** Applies changes; returns false if some may have been missed. */
    private boolean follow() {
        try {
            followRows();
            followReviews();
            return true;
        } catch (ChangesLostException | InvalidCursorException e) {
            return false;
        } catch (StateException e) {
            if (e.reason() == Reason.HISTORY_CHANGED || e.reason() == Reason.COMPACTED) {
                return false;
            }
            throw e;
        }
    }

    private void followRows() throws ChangesLostException {
        String newest = record.rows().newest();
        while (true) {
            List<Change> page = record.rows().unacceptedChanges(changed, AT_ONCE);
            if (page.isEmpty()) {
                changed = newest; // everything before it was accepted
                return;
            }
            put(page.stream().map(Change::version).toList());
            changed = page.get(page.size() - 1).cursor();
        }
    }

    private void followReviews() {
        Reviews.Changes page;
        do {
            page = reviews.changes(reviewed, AT_ONCE);
            List<Version> mayWait = new ArrayList<>();
            for (Reviews.Changed each : page.reviews()) {
                apply(each).ifPresent(mayWait::add);
            }
            put(mayWait);
            reviewed = page.position();
        } while (page.hasMore());
    }

    /** Applies a review, without a look-up for the usual one; returns the outcome if it may wait now. */
    private Optional<Version> apply(Reviews.Changed change) {
        StateKey key = change.key();
        if (change.made().review().verdict() == Verdict.WITHDRAWN || RecordedOutcomes.isHashed(key.agentId())) {
            Optional<Version> found = record.withKey(key);
            putReview(
                    key,
                    found.map(row -> row.key().shard()).orElse(key.agentId()),
                    found.map(row -> Waiting.of(row).cause()).orElse(null),
                    change.made());
            return found;
        }
        String[] name = key.name().split("/", -1);
        Waiting before = remove(new RowKey(key.agentId(), Long.parseLong(name[1]), name[2]));
        putReview(key, key.agentId(), before == null ? null : before.cause(), change.made());
        return Optional.empty();
    }

    private void put(List<Version> versions) {
        List<Waiting> outcomes = versions.stream().map(Waiting::of).toList();
        List<Boolean> areReviewed = reviews.areReviewed(outcomes);
        for (int i = 0; i < outcomes.size(); i++) {
            Waiting outcome = outcomes.get(i);
            putCause(outcome);
            remove(outcome.row());
            if (!areReviewed.get(i) && Reviews.VERDICTS.contains(outcome.verdict())) {
                waiting.put(outcome.row(), outcome);
                oldestFirst.add(outcome);
            }
            if (waiting.size() > most) {
                remove(oldestFirst.first().row());
                isCut = true;
            }
        }
    }

    private @Nullable Waiting remove(RowKey row) {
        Waiting before = waiting.remove(row);
        if (before != null) {
            oldestFirst.remove(before);
        }
        return before;
    }

    /** Notes a review, or that it was withdrawn. */
    private void putReview(StateKey key, String shard, @Nullable String cause, @Nullable Made made) {
        putFault(key, shard, made);
        Recent before = recent.get(key);
        if (before != null) {
            forget(before);
        }
        if (made == null || made.review().verdict() == Verdict.WITHDRAWN) {
            return;
        }
        remember(Recent.of(key, shard, cause == null && before != null ? before.cause() : cause, made));
        if (newestFirst.size() > Math.min(most, MOST_RECENT)) {
            forget(newestFirst.last());
            isRecentCut = true;
        }
    }

    private void putCause(Waiting outcome) {
        Recent before = recent.get(outcome.key());
        if (before != null && before.cause() == null) {
            forget(before);
            remember(Recent.of(before.key(), before.shard(), outcome.cause(), before.made()));
        }
    }

    private void remember(Recent review) {
        recent.put(review.key(), review);
        newestFirst.add(review);
    }

    private void forget(Recent review) {
        recent.remove(review.key());
        newestFirst.remove(review);
    }

    private void putFault(StateKey key, String shard, @Nullable Made made) {
        if (made == null || made.review().verdict() != Verdict.FAULT) {
            faults.remove(key);
        } else if (faults.size() < most) {
            faults.put(key, new Fault(shard, made.review().at()));
        }
    }
}
