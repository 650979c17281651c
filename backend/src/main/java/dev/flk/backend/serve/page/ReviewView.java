// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import dev.flk.backend.decide.ReasonKind;
import dev.flk.backend.decide.RecordedOutcome.Claims;
import dev.flk.backend.decide.Review.Verdict;
import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeRows.Reviewed;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.OutcomeRows.Waiting;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.backend.outcomes.review.LargeGroups.Progress;
import dev.flk.backend.outcomes.review.Reviews;
import dev.flk.backend.serve.page.ReviewDone.Sent;
import dev.flk.verification.Policy;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The view of the certificates that wait for a review: the groups, and one certificate with the evidence that its
 * review needs.
 *
 * @param problem why a form had no effect, or why something is not shown; empty if there is no problem
 * @param done the effect of the form that was sent just now; null if no form was sent
 * @param retry the form that had no effect; null without such a form
 * @param groups the waiting certificates; null if they are unknown
 * @param shown the certificate; null if none was chosen or waits
 * @param progress the reviews of large groups that are under way, or were begun within the last hour
 * @param token the secret of the forms
 */
public record ReviewView(
        Instant at,
        String problem,
        @Nullable ReviewDone done,
        @Nullable Form retry,
        @Nullable ReviewGroups groups,
        @Nullable Shown shown,
        List<Progress> progress,
        String token) {
    /** The path of the view. */
    public static final String PATH = "/ui/review";

    private static final int MOST_LAST_REVIEWS = 5;
    /** The number of the newest reviews among which those for the same reason are looked for. */
    private static final int LOOKED_AT = 200;

    /**
     * The data that the view reads.
     *
     * @param token the secret of the forms
     */
    public record Source(RecordedOutcomes record, Reviews reviews, String token, Policy policy) {}

    /**
     * The part of the queue that a link has chosen. A null member chooses nothing.
     *
     * @param cause the reason without its numbers
     * @param recorded the certificate in the record
     */
    public record Choice(
            @Nullable String shard,
            @Nullable String cause,
            @Nullable Version recorded) {}

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
     * The evidence for the review of a certificate.
     *
     * @param certificate the certificate without its records in the log
     * @param measuredFrom the first measurement; null if the certificate does not have it
     * @param measuredTo the last measurement; null if the certificate does not have it
     * @param dHat the claimed and the recomputed D̂ and the tolerance, as a sentence
     * @param neighbours D̂ of the shard before and after this certificate, as SVG
     */
    public record Evidence(
            CertificateView certificate,
            @Nullable Instant measuredFrom,
            @Nullable Instant measuredTo,
            String dHat,
            String neighbours) {
        /** @param recorded the outcome of the certificate in the record */
        private static Evidence of(Source source, Version recorded, Instant now) {
            Policy policy = source.policy();
            CertificateView certificate =
                    CertificateView.of(recorded, source.reviews(), source.token(), null, policy, now);
            Outcome outcome = certificate.outcome();
            return new Evidence(
                    certificate,
                    measuredFrom(outcome.claims()),
                    outcome.measuredAt(),
                    dHat(outcome.dHat(), recorded.outcome().verdict().policyHash(), policy),
                    ShardPlots.around(source.record(), outcome));
        }

        private static @Nullable Instant measuredFrom(@Nullable Claims claims) {
            return claims == null || claims.window() == null
                    ? null
                    : claims.window().start();
        }

        private static String dHat(Outcome.Claim dHat, String decidedUnder, Policy policy) {
            if (!Double.isFinite(dHat.recomputed())) {
                return "D̂ is claimed as " + dHat.claimedText() + " and could not be recomputed.";
            }
            double diff = Math.abs(dHat.claimed() - dHat.recomputed());
            boolean isNear = diff <= policy.tolD() + 1e-9; // the claims have 9 decimals
            return "D̂ is claimed as " + dHat.claimedText() + " and recomputed as " + dHat.recomputedText()
                    + String.format(Locale.ROOT, ": the difference of %.4f is ", diff)
                    + (isNear ? "within" : "above") + " the tolerance of " + policy.tolD()
                    + (decidedUnder.equals(policy.hash())
                            ? "."
                            : ", which is in force now; the certificate was decided under the policy " + decidedUnder
                                    + ".");
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
     * @param form the form to review it; null if it was accepted
     * @param lastReviews the newest reviews of others for the same reason
     */
    public record Shown(
            Evidence evidence,
            String cause,
            String meaning,
            String place,
            String path,
            @Nullable String previous,
            @Nullable String next,
            @Nullable Form form,
            List<Reviewed> lastReviews) {}

    /** Returns the path of the view of the group of a certificate. */
    static String groupPath(Version recorded) {
        return path(recorded.key().shard(), recorded.outcome().cause());
    }

    /** Returns the path of the view of a group. */
    public static String path(String shard, String cause) {
        return PATH + "?shard=" + OutcomeQuery.encoded(shard) + "&reason=" + OutcomeQuery.encoded(cause);
    }

    /** Returns the path of the view of a certificate in the record. */
    public static String path(Version recorded) {
        return groupPath(recorded) + "&id=" + recorded.key().pcsId();
    }

    /**
     * Returns the path of the certificate to review after one was reviewed.
     *
     * @param recorded the reviewed certificate
     */
    public static String pathAfter(Reviews reviews, Version recorded) {
        return new ReviewQueue(reviews)
                .nextAfterReview(recorded)
                .map(ReviewView::path)
                .orElse(PATH);
    }

    /**
     * Reads what waits, and the chosen certificate; if none is chosen, the first one that waits.
     *
     * @param sent the effect of the form that was sent just now; null if no form was sent
     */
    public static ReviewView read(Source source, Choice choice, @Nullable Sent sent, Instant now) {
        ReviewQueue queue = new ReviewQueue(source.reviews());
        Version chosen = choice.recorded() == null ? queue.first(choice.shard(), choice.cause()) : choice.recorded();
        Waiting place = chosen == null ? null : queue.place(chosen);
        Shown shown = chosen == null || place == null ? null : shown(source, chosen, queue, place, now);
        return new ReviewView(
                now,
                chosen == null ? noneOf(choice) : "",
                sent == null
                        ? null
                        : ReviewDone.of(
                                source,
                                sent,
                                shown == null
                                        ? List.of()
                                        : shown.evidence().certificate().reviews(),
                                now),
                null,
                ReviewGroups.of(queue, chosen, place, now),
                shown,
                progress(source.reviews(), now),
                source.token());
    }

    private static List<Progress> progress(Reviews reviews, Instant now) {
        String anHourAgo = now.minus(Duration.ofHours(1)).toString();
        return reviews.groups().stream()
                .filter(each -> !each.state().isOver() || each.review().at().compareTo(anHourAgo) > 0)
                .toList();
    }

    /** Returns whether the review of a large group is under way. */
    public boolean isLive() {
        return progress.stream().anyMatch(each -> !each.state().isOver());
    }

    /** Returns the view while it is unknown what waits. */
    public static ReviewView unknown(String token, Instant now) {
        return new ReviewView(now, "", null, null, null, null, List.of(), token);
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
        return new ReviewView(at, why, null, again, groups, shown, progress, token);
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

    private static String noneOf(Choice choice) {
        return choice.shard() == null && choice.cause() == null
                ? ""
                : "No certificate "
                        + (choice.shard() == null ? "" : "of shard " + choice.shard() + " ")
                        + "waits for a review"
                        + (choice.cause() == null ? "." : " for the reason “" + choice.cause() + "”.");
    }

    private static Shown shown(Source source, Version recorded, ReviewQueue queue, Waiting place, Instant now) {
        Evidence evidence = Evidence.of(source, recorded, now);
        CertificateView certificate = evidence.certificate();
        String cause = recorded.outcome().cause();
        return new Shown(
                evidence,
                cause,
                ReasonKind.meaning(cause),
                queue.number(place),
                path(recorded),
                queue.path(queue.previous(place)),
                queue.path(queue.next(place)),
                certificate.outcome().isAccepted() ? null : certificate.form(),
                lastReviews(source.reviews(), recorded));
    }

    /** Returns the newest reviews of other certificates for the same reason. */
    private static List<Reviewed> lastReviews(Reviews reviews, Version recorded) {
        String cause = recorded.outcome().cause();
        return reviews.reviewed(null, LOOKED_AT).reviews().stream()
                .filter(each -> !each.key().equals(recorded.key()))
                .filter(each -> reviews.cause(each).filter(cause::equals).isPresent())
                .limit(MOST_LAST_REVIEWS)
                .toList();
    }
}
