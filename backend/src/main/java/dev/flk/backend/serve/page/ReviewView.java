// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import dev.flk.backend.decide.ReasonKind;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.backend.outcomes.record.Review;
import dev.flk.backend.outcomes.record.Review.Verdict;
import dev.flk.backend.outcomes.record.Reviews;
import dev.flk.backend.outcomes.record.Reviews.AllWaiting;
import dev.flk.backend.outcomes.record.Reviews.Recent;
import dev.flk.backend.outcomes.record.Reviews.Waiting;
import dev.flk.backend.serve.page.ReviewDone.Sent;
import dev.flk.backend.serve.page.ReviewQueue.Group;
import dev.flk.verification.Policy;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The view of the certificates that wait for a review: the groups, and one certificate with what a person needs to
 * review it.
 *
 * @param problem why a form had no effect, or why something is not shown; empty if there is no problem
 * @param done the effect of the form that was sent just now; null if no form was sent
 * @param retry the form that had no effect; null if there is none
 * @param groups what waits; null if it is unknown
 * @param shown the certificate; null if none was chosen or waits
 * @param token the secret of the forms
 */
public record ReviewView(
        Instant at,
        String problem,
        @Nullable ReviewDone done,
        @Nullable Form retry,
        @Nullable ReviewGroups groups,
        @Nullable Shown shown,
        String token) {
    /** The path of the view. */
    public static final String PATH = "/ui/review";

    private static final int MOST_LAST_REVIEWS = 5;
    private static final int MOST_LOOK_UPS = 200;

    /**
     * What the view reads.
     *
     * @param reviews null if the reviews are unknown
     * @param token the secret of the forms
     */
    public record Source(RecordedOutcomes record, @Nullable Reviews reviews, String token, Policy policy) {}

    /**
     * The part of the queue that a link has chosen. A null member chooses nothing.
     *
     * @param cause the reason without its numbers
     * @param recorded the certificate in the record
     */
    public record Choice(
            @Nullable String shard,
            @Nullable String cause,
            @Nullable Version recorded) {
        private boolean contains(Group group) {
            return (shard == null || shard.equals(group.shard())) && (cause == null || cause.equals(group.cause()));
        }
    }

    /**
     * A form of this view.
     *
     * @param fields the hidden fields
     * @param verdict the verdict that was sent; empty if none was sent
     */
    public record Form(Map<String, String> fields, String verdict, String note, String author) {
        static Form of(String... fields) {
            return new Form(fields(fields), "", "", "");
        }

        /** Returns fields by name. */
        static Map<String, String> fields(String... namesAndValues) {
            Map<String, String> fields = new LinkedHashMap<>();
            for (int i = 0; i < namesAndValues.length; i += 2) {
                fields.put(namesAndValues[i], namesAndValues[i + 1]);
            }
            return fields;
        }

        private Form with(Map<String, String> others) {
            Map<String, String> changed = new LinkedHashMap<>(fields);
            changed.putAll(others);
            return new Form(changed, verdict, note, author);
        }

        /** Returns the name under which the script keeps the note until it was sent. */
        public String noteName() {
            return noteName(fields);
        }

        /** Returns the name under which the script keeps the note of a form with these fields. */
        public static String noteName(Map<String, String> fields) {
            String id = fields.get("id");
            return id == null ? fields.get("shard") + " " + fields.get("reason") : id;
        }

        /** Returns whether the form is for a group. */
        public boolean isOfGroup() {
            return !fields.containsKey("id");
        }

        /** Returns whether the form takes reviews back. */
        public boolean isWithdrawal() {
            return verdict.equals(Verdict.WITHDRAWN.text());
        }
    }

    /**
     * The chosen certificate.
     *
     * @param meaning what its reason means, as a sentence
     * @param place its place in its group; empty if it does not wait
     * @param path the address of this view of the certificate
     * @param previous the path of the certificate before it; null if none is before it
     * @param next the path of the certificate after it; null if none is after it
     * @param form the form to review it; null if its reviews are unknown
     * @param lastReviews the newest reviews of others for the same reason
     */
    public record Shown(
            ReviewEvidence evidence,
            String cause,
            String meaning,
            String place,
            String path,
            @Nullable String previous,
            @Nullable String next,
            @Nullable Form form,
            List<Recent> lastReviews) {}

    static String path(Group group) {
        return path(group.shard(), group.cause());
    }

    static String path(Waiting outcome) {
        return path(outcome.shard(), outcome.cause()) + "&id=" + outcome.pcsId();
    }

    /** Returns the path of the view of a group. */
    public static String path(String shard, String cause) {
        return PATH + "?shard=" + Pages.encoded(shard) + "&reason=" + Pages.encoded(cause);
    }

    /** Returns the path of the view of a certificate in the record. */
    public static String path(Version recorded) {
        return path(Waiting.of(recorded));
    }

    /**
     * Returns the path of the certificate to review after one was reviewed.
     *
     * @param recorded the reviewed certificate
     */
    public static String pathAfter(Reviews reviews, Version recorded) {
        return new ReviewQueue(reviews.waiting(null).outcomes())
                .nextAfterReview(Waiting.of(recorded))
                .map(ReviewView::path)
                .orElse(PATH);
    }

    /**
     * Reads what waits, and the chosen certificate; if none is chosen, the first one that waits.
     *
     * @param sent the effect of the form that was sent just now; null if no form was sent
     */
    public static ReviewView read(Source source, Reviews reviews, Choice choice, @Nullable Sent sent, Instant now) {
        AllWaiting all = reviews.waiting(null);
        ReviewQueue queue = new ReviewQueue(all.outcomes());
        List<Recent> recent = reviews.recent().reviews();
        Version chosen = choice.recorded() == null ? first(reviews, queue, choice) : choice.recorded();
        Waiting outcome = chosen == null ? null : Waiting.of(chosen);
        int group = outcome == null ? -1 : queue.indexOf(outcome.shard(), outcome.cause());
        Shown shown = outcome == null || chosen == null
                ? null
                : shown(source, chosen, queue, outcome, lastReviews(reviews, recent, outcome), now);
        return new ReviewView(
                now,
                chosen == null ? noneOf(choice) : "",
                sent == null
                        ? null
                        : ReviewDone.of(
                                reviews,
                                sent,
                                shown == null
                                        ? List.of()
                                        : shown.evidence().certificate().reviews(),
                                recent,
                                now),
                null,
                ReviewGroups.of(queue, all.isCut(), group, outcome, now),
                shown,
                source.token());
    }

    /**
     * Returns the view while it is unknown what waits, with the chosen certificate.
     *
     * @param chosen the chosen certificate; null if none was chosen
     */
    public static ReviewView unknown(Source source, @Nullable Version chosen, String problem, Instant now) {
        Shown shown = chosen == null
                ? null
                : shown(source, chosen, new ReviewQueue(List.of()), Waiting.of(chosen), List.of(), now);
        return new ReviewView(now, problem, null, null, null, shown, source.token());
    }

    /**
     * Returns this view after a form had no effect, with the form.
     *
     * @param why why it had no effect
     * @param isOutdated whether the form gets the version or the certificates that are shown now, because others were
     *     the cause
     */
    public ReviewView failed(String why, Form form, boolean isOutdated) {
        Form current = form.isOfGroup() ? formOfGroup() : shown == null ? null : shown.form();
        Form again = isOutdated && current != null ? form.with(current.fields()) : form;
        return new ReviewView(at, why, null, again, groups, shown, token);
    }

    private @Nullable Form formOfGroup() {
        return groups == null
                ? null
                : groups.tiles().stream()
                        .flatMap(tile -> Stream.ofNullable(tile.chosen()))
                        .map(ReviewGroups.Chosen::form)
                        .findFirst()
                        .orElse(null);
    }

    /** Returns the time of a review to the second; as it is if another client has written a text that is not a time. */
    public static String time(Review review) {
        try {
            return Pages.time(Instant.parse(review.at()));
        } catch (DateTimeException e) {
            return review.at();
        }
    }

    private static String noneOf(Choice choice) {
        return choice.shard() == null && choice.cause() == null
                ? ""
                : "No certificate "
                        + (choice.shard() == null ? "" : "of shard " + choice.shard() + " ")
                        + "waits for a review"
                        + (choice.cause() == null ? "." : " for the reason “" + choice.cause() + "”.");
    }

    /** Returns the first certificate that waits in what is chosen; null if none waits. */
    private static @Nullable Version first(Reviews reviews, ReviewQueue queue, Choice choice) {
        return queue.groups().stream()
                .filter(choice::contains)
                .findFirst()
                .flatMap(each -> reviews.recorded(List.of(each.outcomes().get(0))).stream()
                        .findFirst())
                .orElse(null);
    }

    private static Shown shown(
            Source source,
            Version recorded,
            ReviewQueue queue,
            Waiting outcome,
            List<Recent> lastReviews,
            Instant now) {
        ReviewEvidence evidence =
                ReviewEvidence.of(source.record(), recorded, source.reviews(), source.token(), source.policy(), now);
        CertificateView certificate = evidence.certificate();
        boolean isReviewable = !certificate.outcome().isAccepted()
                && certificate.reviewsUnknown().isEmpty();
        return new Shown(
                evidence,
                outcome.cause(),
                ReasonKind.meaning(outcome.cause()),
                queue.place(outcome),
                path(outcome),
                queue.previous(outcome).map(ReviewView::path).orElse(null),
                queue.next(outcome).map(ReviewView::path).orElse(null),
                isReviewable ? Form.of("id", outcome.pcsId(), "version", Long.toString(certificate.version())) : null,
                lastReviews);
    }

    /** Returns the newest reviews of other certificates for the same reason; looks up few causes that are not known. */
    private static List<Recent> lastReviews(Reviews reviews, List<Recent> recent, Waiting outcome) {
        List<Recent> found = new ArrayList<>();
        int lookUps = 0;
        for (Recent each : recent) {
            if (found.size() == MOST_LAST_REVIEWS || (each.cause() == null && ++lookUps > MOST_LOOK_UPS)) {
                break;
            }
            boolean isSame = reviews.cause(each).filter(outcome.cause()::equals).isPresent();
            if (isSame && !each.pcsId().equals(outcome.pcsId())) {
                found.add(each);
            }
        }
        return found;
    }
}
