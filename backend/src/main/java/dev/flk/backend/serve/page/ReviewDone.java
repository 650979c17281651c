// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import dev.flk.backend.decide.Review;
import dev.flk.backend.decide.Review.Verdict;
import dev.flk.backend.outcomes.record.OutcomeRows.Reviewed;
import dev.flk.backend.outcomes.review.Reviews;
import dev.flk.backend.serve.page.ReviewView.Form;
import dev.flk.backend.serve.page.ReviewView.Source;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The effect of the form of the view Review that was sent just now.
 *
 * @param note the name under which the script keeps the note that was sent; empty if it is not known
 * @param undo the form that takes the reviews back; null if it is too late for that
 * @param undoSeconds the time for which the form is shown
 */
public record ReviewDone(
        String sentence, String note, @Nullable Form undo, long undoSeconds) {
    /** The time for which reviews can be taken back with one click. */
    public static final Duration UNDO = Duration.ofMinutes(1);

    /**
     * The numbers in the address to which a form leads.
     *
     * @param count the number of reviews that were made or withdrawn
     * @param leftOut the number of certificates that were left out, because others have reviewed them meanwhile
     * @param reviewedAt the time of the reviews; null if reviews were withdrawn
     * @param note see {@link ReviewDone#note}; empty for the review of a group
     * @param id the id of the certificate; null for a group
     * @param from the arrival of the first reviewed certificate of a group; null if it is not known
     * @param until the arrival of the last reviewed certificate of a group; null for a single certificate
     */
    public record Sent(
            int count,
            int leftOut,
            @Nullable Instant reviewedAt,
            String note,
            @Nullable String id,
            @Nullable String from,
            @Nullable String until) {}

    /** @param versions the versions of the review of the certificate that is shown, the newest first */
    static ReviewDone of(Source source, Sent sent, List<Review> versions, Instant now) {
        Reviews reviews = source.reviews();
        Instant reviewedAt = sent.reviewedAt();
        if (reviewedAt == null) {
            String before = sent.id() == null ? "" : reviewBefore(versions);
            return new ReviewDone(withdrawn(sent) + before, sent.note(), null, 0);
        }
        List<Reviewed> made = (sent.id() == null
                        ? reviews.reviewed(null, Reviews.MOST_RECENT).reviews()
                        : newest(source, sent.id()))
                .stream()
                        .filter(each -> each.review().at().equals(reviewedAt.toString()))
                        .toList();
        long seconds = UNDO.minus(Duration.between(reviewedAt, now)).toSeconds();
        boolean isUndoable = !made.isEmpty() && seconds > 0 && seconds <= UNDO.toSeconds();
        return new ReviewDone(
                reviewed(sent, made),
                sent.id() == null && !made.isEmpty() ? noteOfGroup(reviews, made.get(0)) : sent.note(),
                isUndoable ? undo(reviews, sent, reviewedAt, made) : null,
                seconds);
    }

    /** Returns the newest review of the certificate with an id, unless it was withdrawn. */
    private static List<Reviewed> newest(Source source, String id) {
        return source.record().withId(id, 1).stream()
                .flatMap(version -> source.reviews().versions(version.key()).stream()
                        .limit(1)
                        .filter(review -> !review.isWithdrawal())
                        .map(review -> new Reviewed(version.key(), review)))
                .toList();
    }

    private static String noteOfGroup(Reviews reviews, Reviewed made) {
        return Form.noteName(Map.of(
                "shard", made.key().shard(), "reason", reviews.cause(made).orElse("")));
    }

    /** Returns a sentence about the review that the withdrawn one had replaced; empty if it had replaced no review. */
    private static String reviewBefore(List<Review> versions) {
        if (versions.size() < 3 || !versions.get(0).isWithdrawal()) {
            return "";
        }
        Review before = versions.get(2);
        return before.isWithdrawal()
                ? ""
                : " The review before it, " + before.verdict().text() + " by " + before.author()
                        + ", does not return: the certificate waits again.";
    }

    private static String withdrawn(Sent sent) {
        return (sent.count() == 1 ? "1 review was" : sent.count() + " reviews were") + " withdrawn."
                + (sent.leftOut() == 0
                        ? ""
                        : " " + sent.leftOut() + " left out, which others changed or withdrew meanwhile.");
    }

    private static String reviewed(Sent sent, List<Reviewed> made) {
        if (sent.count() == 0) {
            return "No certificate was reviewed: someone else may have reviewed them already.";
        }
        return (sent.count() == 1 ? "1 certificate was reviewed" : sent.count() + " certificates were reviewed")
                + (made.isEmpty() ? "" : " as " + made.get(0).review().verdict().text())
                + "."
                + (sent.leftOut() == 0 ? "" : " " + sent.leftOut() + " left out, which others reviewed meanwhile.");
    }

    /** Returns the form that withdraws exactly the reviews that were made at a time; null if it can't be made. */
    private static @Nullable Form undo(Reviews reviews, Sent sent, Instant reviewedAt, List<Reviewed> made) {
        Reviewed first = made.get(0);
        Review review = first.review();
        String author = review.author();
        String until = sent.until();
        if (sent.id() != null) {
            return withdrawal(
                    Form.fields("id", first.key().pcsId(), "version", Long.toString(review.version())), author);
        }
        boolean isOneGroup = made.stream()
                .allMatch(each -> each.key().shard().equals(first.key().shard())
                        && each.review().numbered(0).equals(review.numbered(0)));
        if (until == null || !isOneGroup) {
            return null;
        }
        Map<String, String> fields = Form.fields(
                "shard",
                first.key().shard(),
                "until",
                until,
                "reviewed_at",
                reviewedAt.toString(),
                "count",
                Integer.toString(sent.count()));
        if (sent.from() != null) {
            fields.put("from", sent.from());
        }
        return reviews.cause(first)
                .map(cause -> {
                    fields.put("reason", cause);
                    return withdrawal(fields, author);
                })
                .orElse(null);
    }

    private static Form withdrawal(Map<String, String> fields, String author) {
        return new Form(fields, Verdict.WITHDRAWN.text(), "", author);
    }
}
