// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import dev.flk.backend.outcomes.record.Reviews.Waiting;
import java.time.Instant;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * The certificates that wait for a review, in groups. The group with the longest waiting certificate comes first; in a
 * group, the newest certificate comes first. So the order remains the same while a person reviews one certificate after
 * the other.
 */
public final class ReviewQueue {
    private static final Comparator<Waiting> NEWEST_FIRST =
            Comparator.comparing(Waiting::receivedAt).reversed().thenComparing(Waiting::pcsId);
    private static final Comparator<Group> LONGEST_WAITING_FIRST =
            Comparator.comparing(Group::from).thenComparing(Group::shard).thenComparing(Group::cause);

    private final List<Group> groups;

    /**
     * The certificates of a shard that wait for the same reason.
     *
     * @param cause the reason without its numbers
     * @param outcomes at least one certificate, the newest first
     */
    public record Group(String shard, String cause, List<Waiting> outcomes) {
        /** Returns the arrival of the oldest certificate. */
        public Instant from() {
            return outcomes.get(outcomes.size() - 1).receivedAt();
        }

        /** Returns the arrival of the newest certificate. */
        public Instant until() {
            return outcomes.get(0).receivedAt();
        }
    }

    private record Key(String shard, String cause) {}

    /** @param waiting the newest first */
    ReviewQueue(List<Waiting> waiting) {
        Map<Key, List<Waiting>> grouped = waiting.stream()
                .collect(Collectors.groupingBy(
                        each -> new Key(each.shard(), each.cause()), LinkedHashMap::new, Collectors.toList()));
        groups = grouped.entrySet().stream()
                .map(each -> new Group(each.getKey().shard(), each.getKey().cause(), each.getValue()))
                .sorted(LONGEST_WAITING_FIRST)
                .toList();
    }

    List<Group> groups() {
        return groups;
    }

    /** Returns the place of a group among {@link #groups}; -1 if no certificate of the group waits. */
    int indexOf(String shard, String cause) {
        return IntStream.range(0, groups.size())
                .filter(i -> groups.get(i).shard().equals(shard)
                        && groups.get(i).cause().equals(cause))
                .findFirst()
                .orElse(-1);
    }

    /** Returns the place of a certificate in its group, as text; empty if it does not wait. */
    String place(Waiting outcome) {
        int group = indexOf(outcome.shard(), outcome.cause());
        int place = group < 0 ? -1 : groups.get(group).outcomes().indexOf(outcome);
        return place < 0
                ? ""
                : place + 1 + " of " + groups.get(group).outcomes().size();
    }

    /** Returns the place of the group after the one of a certificate, even if no certificate of its group waits. */
    private int placeAfterGroupOf(Waiting outcome) {
        int group = indexOf(outcome.shard(), outcome.cause());
        Group finished = new Group(outcome.shard(), outcome.cause(), List.of(outcome));
        return group >= 0
                ? group + 1
                : (int) groups.stream()
                        .filter(each -> LONGEST_WAITING_FIRST.compare(each, finished) < 0)
                        .count();
    }

    /** Returns the certificate after another one, which need not wait: of its group, else of the next group. */
    Optional<Waiting> next(Waiting outcome) {
        int group = indexOf(outcome.shard(), outcome.cause());
        Optional<Waiting> after = group < 0
                ? Optional.empty()
                : groups.get(group).outcomes().stream()
                        .filter(each -> NEWEST_FIRST.compare(each, outcome) > 0)
                        .findFirst();
        return after.or(() -> groups.stream()
                .skip(placeAfterGroupOf(outcome))
                .findFirst()
                .map(next -> next.outcomes().get(0)));
    }

    /** Returns the certificate before another one, which need not wait: of its group, else of the previous group. */
    Optional<Waiting> previous(Waiting outcome) {
        int group = indexOf(outcome.shard(), outcome.cause());
        Optional<Waiting> before = group < 0
                ? Optional.empty()
                : groups.get(group).outcomes().stream()
                        .filter(each -> NEWEST_FIRST.compare(each, outcome) < 0)
                        .reduce((one, other) -> other);
        int groupsBefore = group < 0 ? placeAfterGroupOf(outcome) : group;
        return before.or(() -> groupsBefore == 0
                ? Optional.empty()
                : groups.get(groupsBefore - 1).outcomes().stream().reduce((one, other) -> other));
    }

    /** Returns the certificate to review after another one was reviewed; empty if no certificate waits. */
    Optional<Waiting> nextAfterReview(Waiting reviewed) {
        return next(reviewed)
                .or(() -> groups.stream()
                        .findFirst()
                        .map(group -> group.outcomes().get(0)));
    }
}
