// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import dev.flk.backend.outcomes.record.Reviews;
import dev.flk.backend.outcomes.record.Reviews.AllWaiting;
import dev.flk.backend.outcomes.record.Reviews.Waiting;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The view of the certificates that wait for a review.
 *
 * @param done the number of certificates that the form sent just now reviewed; null if no form was sent
 * @param leftOut the number of certificates of that form that others reviewed meanwhile
 * @param waiting the number of certificates that wait, including those of groups that are not shown
 * @param isCut whether more certificates wait, which were not counted
 * @param otherGroups the number of groups that are not shown
 * @param token the secret of the forms
 */
public record ReviewView(
        Instant at,
        @Nullable Integer done,
        int leftOut,
        int waiting,
        boolean isCut,
        List<Group> groups,
        int otherGroups,
        String token) {
    /** The maximum number of groups in a view. */
    public static final int MOST_GROUPS = 50;

    private static final int MOST_OUTCOMES = 10;

    /**
     * Certificates of a shard with the same verdict for the same reason.
     *
     * @param cause the reason without its numbers
     * @param newest the newest certificates, the newest first
     * @param others the number of certificates that are not among {@code newest}
     * @param from the arrival of the oldest certificate
     */
    public record Group(String shard, String cause, String verdict, List<Outcome> newest, int others, String from) {
        private static Group of(List<Waiting> waiting) {
            Waiting first = waiting.get(0);
            List<Outcome> newest =
                    waiting.stream().limit(MOST_OUTCOMES).map(Outcome::of).toList();
            return new Group(
                    first.shard(),
                    first.cause(),
                    first.verdict(),
                    newest,
                    waiting.size() - newest.size(),
                    waiting.get(waiting.size() - 1).receivedAt().toString());
        }

        /** Returns the number of certificates, followed by the noun in the singular or plural. */
        public String count() {
            int all = newest.size() + others;
            return all == 1 ? "1 certificate" : all + " certificates";
        }

        /** Returns the arrival of the newest certificate. */
        public String until() {
            return newest.get(0).receivedAt().toString();
        }
    }

    /** The values that all certificates of a group have in common. */
    private record Key(String shard, String verdict, String cause) {}

    /** Reads the certificates that wait for a review; the group with the newest certificate comes first. */
    public static ReviewView read(Reviews reviews, @Nullable Integer done, int leftOut, String token, Instant now) {
        AllWaiting all = reviews.waiting(null);
        Map<Key, List<Waiting>> groups = all.outcomes().stream()
                .collect(Collectors.groupingBy(
                        each -> new Key(each.shard(), each.verdict(), each.cause()),
                        LinkedHashMap::new,
                        Collectors.toList()));
        return new ReviewView(
                now,
                done,
                leftOut,
                all.outcomes().size(),
                all.isCut(),
                groups.values().stream().limit(MOST_GROUPS).map(Group::of).toList(),
                Math.max(0, groups.size() - MOST_GROUPS),
                token);
    }

    /** Returns what the form that was sent just now has done, in sentences; empty if no form was sent. */
    public String doneText() {
        if (done == null) {
            return "";
        }
        String reviewed = done == 0
                ? "No certificate was reviewed: someone else may have reviewed them already."
                : done == 1 ? "1 certificate was reviewed." : done + " certificates were reviewed.";
        return reviewed + (leftOut == 0 ? "" : " " + leftOut + " left out, which others reviewed meanwhile.");
    }

    /** Returns a sentence with the number of certificates that wait. */
    public String summary() {
        return waiting == 1
                ? "1 certificate waits for a review."
                : (isCut ? "At least " : "") + waiting + " certificates wait for a review.";
    }
}
