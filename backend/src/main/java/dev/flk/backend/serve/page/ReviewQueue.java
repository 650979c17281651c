// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import dev.flk.backend.outcomes.record.OutcomeRows;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.OutcomeRows.Waiting;
import dev.flk.backend.outcomes.review.Reviews;
import java.time.Instant;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The places of the certificates that wait for a review, in groups. The group with the longest waiting certificate
 * comes first; in a group, the newest certificate comes first. So the order remains the same while a person reviews one
 * certificate after the other.
 */
final class ReviewQueue {
    private static final Comparator<Waiting> OLDEST_FIRST =
            Comparator.comparingLong(Waiting::receivedMillis).thenComparingLong(Waiting::number);
    private static final Comparator<Waiting> NEWEST_FIRST = OLDEST_FIRST.reversed();
    private static final int READ_AT_ONCE = 100;

    private final Reviews reviews;
    private final List<Group> groups;
    /** The places of all groups in their order. */
    private final List<Waiting> places;

    private final Comparator<Waiting> order;
    private final boolean isCut;

    /**
     * The certificates of a shard that wait for the same reason.
     *
     * @param places at least one place, the newest first
     */
    record Group(List<Waiting> places) {
        Waiting newest() {
            return places.get(0);
        }

        Waiting oldest() {
            return places.get(places.size() - 1);
        }

        /** Returns the arrival of the oldest certificate. */
        Instant from() {
            return Instant.ofEpochMilli(oldest().receivedMillis());
        }

        /** Returns the arrival of the newest certificate. */
        Instant until() {
            return Instant.ofEpochMilli(newest().receivedMillis());
        }
    }

    /**
     * Reads the places of the certificates that wait now.
     *
     * @throws OutcomeRows.RecordUnavailableException if the record can't be read
     */
    ReviewQueue(Reviews reviews) {
        Reviews.AllWaiting<Waiting> all = reviews.queue();
        this.reviews = reviews;
        isCut = all.isCut();
        Map<Long, List<Waiting>> grouped = all.outcomes().stream()
                .sorted(NEWEST_FIRST)
                .collect(Collectors.groupingBy(Waiting::group, LinkedHashMap::new, Collectors.toList()));
        groups = grouped.values().stream()
                .map(Group::new)
                .sorted(Comparator.comparing(Group::oldest, OLDEST_FIRST))
                .toList();
        places = groups.stream().flatMap(group -> group.places().stream()).toList();
        Map<Long, Waiting> oldest =
                groups.stream().collect(Collectors.toMap(group -> group.oldest().group(), Group::oldest));
        order = Comparator.comparing((Waiting each) -> oldest.getOrDefault(each.group(), each), OLDEST_FIRST)
                .thenComparing(NEWEST_FIRST);
    }

    List<Group> groups() {
        return groups;
    }

    /** Returns the number of certificates that have a place here. */
    int size() {
        return places.size();
    }

    /** Returns whether more certificates wait, which have no place here. */
    boolean isCut() {
        return isCut;
    }

    /** Returns the certificates at some places; those that the record no longer has are left out. */
    Map<Long, Version> at(Stream<Waiting> places) {
        return reviews.at(places.map(Waiting::number).distinct().toList());
    }

    private Optional<Version> at(Waiting place) {
        return at(Stream.of(place)).values().stream().findFirst();
    }

    /** Returns the path of the view of the certificate at a place; null if no certificate is found. */
    @Nullable
    String path(Optional<Waiting> place) {
        return place.flatMap(this::at).map(ReviewView::path).orElse(null);
    }

    /** Returns the path of the view of a group; null if its certificates were removed. */
    @Nullable
    String path(Group group) {
        return at(group.newest()).map(ReviewView::groupPath).orElse(null);
    }

    /**
     * Returns the first certificate of the first group of a shard and a cause; null if none waits.
     *
     * @param shard null for any shard
     * @param cause null for any cause
     */
    @Nullable
    Version first(@Nullable String shard, @Nullable String cause) {
        Long group = shard == null || cause == null ? null : OutcomeRows.waitingGroup(shard, cause);
        List<Waiting> firsts = groups.stream()
                .map(Group::newest)
                .filter(each -> group == null || group == each.group())
                .toList();
        return find(
                        firsts,
                        version -> (shard == null || shard.equals(version.key().shard()))
                                && (cause == null
                                        || cause.equals(version.outcome().cause())))
                .flatMap(this::at)
                .orElse(null);
    }

    /** Returns the first of some places at which there is a certificate that meets a condition. */
    private Optional<Waiting> find(List<Waiting> places, Predicate<Version> condition) {
        for (int from = 0; from < places.size(); from += READ_AT_ONCE) {
            List<Waiting> part = places.subList(from, Math.min(places.size(), from + READ_AT_ONCE));
            Map<Long, Version> versions = at(part.stream());
            for (Waiting each : part) {
                Version version = versions.get(each.number());
                if (version != null && condition.test(version)) {
                    return Optional.of(each);
                }
            }
        }
        return Optional.empty();
    }

    /**
     * Returns the place of a certificate. One that does not wait gets the place before those of its group that arrived
     * in the same millisecond.
     */
    Waiting place(Version version) {
        long group = OutcomeRows.waitingGroup(
                version.key().shard(), version.outcome().cause());
        long received = version.outcome().receivedMillis();
        int index = indexOf(group);
        List<Waiting> same = index < 0
                ? List.of()
                : groups.get(index).places().stream()
                        .filter(each -> each.receivedMillis() == received)
                        .toList();
        return find(same, each -> each.key().equals(version.key()))
                .orElseGet(() -> new Waiting(group, received, Long.MAX_VALUE));
    }

    /** Returns the index of a group in {@link #groups}; -1 if no certificate of the group waits. */
    int indexOf(long group) {
        return IntStream.range(0, groups.size())
                .filter(i -> groups.get(i).newest().group() == group)
                .findFirst()
                .orElse(-1);
    }

    /** Returns the number of a place in its group, as text; empty if no certificate waits there. */
    String number(Waiting place) {
        int group = indexOf(place.group());
        int number = group < 0 ? 0 : groups.get(group).places().indexOf(place) + 1;
        return number == 0 ? "" : number + " of " + groups.get(group).places().size();
    }

    /** Returns the place after another one, at which no certificate need wait. */
    Optional<Waiting> next(Waiting place) {
        int index = Collections.binarySearch(places, place, order);
        return at(index < 0 ? -index - 1 : index + 1);
    }

    /** Returns the place before another one, at which no certificate need wait. */
    Optional<Waiting> previous(Waiting place) {
        int index = Collections.binarySearch(places, place, order);
        return at(index < 0 ? -index - 2 : index - 1);
    }

    private Optional<Waiting> at(int index) {
        return index < 0 || index == places.size() ? Optional.empty() : Optional.of(places.get(index));
    }

    /** Returns the certificate to review after another one was reviewed; empty if no certificate waits. */
    Optional<Version> nextAfterReview(Version reviewed) {
        return next(place(reviewed)).or(() -> at(0)).flatMap(this::at);
    }
}
