// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import dev.flk.backend.decide.Review.Verdict;
import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeRows.Reviewed;
import dev.flk.backend.outcomes.record.OutcomeRows.ReviewedPart;
import dev.flk.backend.outcomes.review.Reviews;
import java.time.Instant;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The view of the certificates that were reviewed, the newest review first.
 *
 * @param count the number of reviews that meet the conditions
 * @param examined the number of reviews that were examined
 * @param isCut whether there are older reviews, which were not examined
 * @param first the number of reviews before the first row
 * @param newer the path of the page before this one; null if this is the first
 * @param older the path of the page after this one; null if this is the last
 */
public record ReviewedView(
        Instant at,
        Filter filter,
        List<Row> rows,
        int count,
        int examined,
        boolean isCut,
        int first,
        @Nullable String newer,
        @Nullable String older) {
    /** The maximum number of rows. */
    public static final int MOST_ROWS = 50;

    /** The verdicts that a filter may name. */
    public static final List<String> VERDICTS = Stream.of(Verdict.values())
            .filter(each -> each != Verdict.WITHDRAWN)
            .map(Verdict::text)
            .toList();

    /** The conditions for reviews; an empty text is no condition. */
    public record Filter(String verdict, String author, String shard) {
        private boolean isMetBy(Reviewed reviewed) {
            return (verdict.isEmpty()
                            || verdict.equals(reviewed.review().verdict().text()))
                    && (author.isEmpty() || author.equals(reviewed.review().author()))
                    && (shard.isEmpty() || shard.equals(reviewed.key().shard()));
        }

        private String path(int page) {
            return ReviewView.PATH + "?show=reviewed&verdict=" + OutcomeQuery.encoded(verdict) + "&author="
                    + OutcomeQuery.encoded(author) + "&shard=" + OutcomeQuery.encoded(shard) + "&page=" + page;
        }
    }

    /**
     * A review.
     *
     * @param cause the reason without its numbers; empty if the record no longer has the certificate
     */
    public record Row(Reviewed reviewed, String cause) {}

    /**
     * Reads a page of the reviews.
     *
     * @param page the number of the page, from 0
     */
    public static ReviewedView read(Reviews reviews, Filter filter, int page, Instant now) {
        ReviewedPart all = reviews.reviewed(null, Reviews.MOST_RECENT);
        List<Reviewed> found = all.reviews().stream().filter(filter::isMetBy).toList();
        int last = (Math.max(1, found.size()) - 1) / MOST_ROWS;
        int shown = Math.min(page, last);
        int first = shown * MOST_ROWS;
        return new ReviewedView(
                now,
                filter,
                found.subList(first, Math.min(found.size(), first + MOST_ROWS)).stream()
                        .map(each -> new Row(each, reviews.cause(each).orElse("")))
                        .toList(),
                found.size(),
                all.reviews().size(),
                all.cursor() != null,
                first,
                shown == 0 ? null : filter.path(shown - 1),
                shown == last ? null : filter.path(shown + 1));
    }

    /** Returns which of the reviews are shown. */
    public String caption() {
        return rows.isEmpty()
                ? "No review"
                : "Reviews " + (first + 1) + " to " + (first + rows.size()) + " of " + count + ", the newest first";
    }
}
