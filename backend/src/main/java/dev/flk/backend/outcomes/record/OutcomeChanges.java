// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.backend.outcomes.record.OutcomeRows.Change;
import dev.flk.backend.outcomes.record.OutcomeRows.ChangesLostException;
import dev.flk.backend.outcomes.record.OutcomeRows.InvalidCursorException;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.canonical.CanonicalString;
import dev.flk.state.StateException;
import dev.flk.state.StateException.Reason;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The events of the record after a cursor: the versions of outcomes in their order, and the reviews. A part has reviews
 * only after the outcomes up to now, so a review follows its outcome. Everything in a part is durable.
 *
 * <p>A cursor is base64url of two lines: a cursor of {@link OutcomeRows#changes}, and a position of {@link
 * Reviews#changes}, which is empty if the state was off.
 *
 * <p>Calls block. Not safe for concurrent use.
 */
public final class OutcomeChanges {
    private static final int READ_AT_ONCE = 100;
    /** The maximum number of outcomes that are examined for one part. */
    private static final int LOOKED_AT = 10_000;

    private static final String START_AGAIN =
            "; fetch cursor=now, then read /v1/outcomes and /v1/reviews again, and continue after the fetched cursor";

    private final RecordedOutcomes record;
    private final @Nullable Reviews reviews;
    private final OutcomeQuery wanted;
    private final boolean selectsAll;
    private String outcome;
    private String review;

    /**
     * An event.
     *
     * @param kind {@code outcome} or {@code review}
     * @param cursor the cursor after this event
     * @param line a JSON object
     */
    public record Event(String kind, String cursor, String line) {}

    /**
     * The next events.
     *
     * @param cursor the cursor after everything that was examined
     * @param hasMore whether more events may follow now
     * @param knowsReviews false if the state, which has the reviews, is off or down
     */
    public record Part(List<Event> events, String cursor, boolean hasMore, boolean knowsReviews) {}

    /**
     * Creates a reader.
     *
     * @param reviews null if the state is off
     * @param wanted the conditions for outcomes, and for the outcomes of reviews; its order, limit and cursor have no
     *     effect
     * @param cursor the cursor after which the events begin; empty for the oldest event that exists
     * @throws InvalidCursorException if the cursor was not returned by a reader
     */
    public OutcomeChanges(RecordedOutcomes record, @Nullable Reviews reviews, OutcomeQuery wanted, String cursor) {
        this.record = record;
        this.reviews = reviews;
        this.wanted = wanted;
        this.selectsAll = wanted.selectsAll();
        String[] parts =
                cursor.isEmpty() ? new String[] {"", ""} : decoded(cursor).split("\n", -1);
        if (parts.length != 2) {
            throw invalid();
        }
        this.outcome = parts[0];
        this.review = parts[1];
    }

    private static String decoded(String cursor) {
        try {
            return new String(Base64.getUrlDecoder().decode(cursor), StandardCharsets.UTF_8);
        } catch (IllegalArgumentException e) {
            throw invalid();
        }
    }

    private static InvalidCursorException invalid() {
        return new InvalidCursorException("the cursor was not returned by /v1/outcomes/changes");
    }

    /**
     * Returns the cursor after the newest event.
     *
     * @param reviews null if the state is off
     * @throws StateException if the position of the reviews can't be read
     */
    public static String newest(RecordedOutcomes record, @Nullable Reviews reviews) {
        String position = reviews == null ? "" : reviews.newest();
        return encoded(record.rows().newest(), position);
    }

    private static String encoded(String outcome, String review) {
        return Base64.getUrlEncoder()
                .withoutPadding()
                .encodeToString((outcome + "\n" + review).getBytes(StandardCharsets.UTF_8));
    }

    /** Returns the cursor after everything that was examined. */
    public String cursor() {
        return encoded(outcome, review);
    }

    /**
     * Returns the next part. If events that follow are removed meanwhile, the part ends before them, so that a reader
     * without a cursor always gets a part.
     *
     * @param limit the maximum number of events
     * @param maxChars the length of the lines at which the part ends; the last line may exceed it
     * @throws ChangesLostException if events after the cursor no longer exist, or the cursor belongs to a history that
     *     was replaced; the message is a sentence that says what to do
     * @throws InvalidCursorException if the cursor is that of another backend
     * @throws OutcomeRows.RecordUnavailableException if the record can't be read
     */
    public Part next(int limit, long maxChars) throws ChangesLostException {
        List<Event> events = new ArrayList<>();
        long chars = 0;
        int examined = 0;
        while (true) {
            List<Change> page;
            try {
                page = record.rows().changes(outcome, Math.min(READ_AT_ONCE, limit - events.size()));
            } catch (ChangesLostException e) {
                if (examined > 0) {
                    return new Part(events, cursor(), true, reviews != null);
                }
                throw new ChangesLostException(e.getMessage() + START_AGAIN);
            }
            if (page.isEmpty()) {
                return withReviews(events, limit - events.size());
            }
            for (Change change : page) {
                outcome = change.cursor();
                Version version = change.version();
                if (selectsAll || wanted.passes(version)) {
                    String line = RecordedOutcomes.line(version);
                    events.add(event("outcome", line));
                    chars += line.length();
                }
                examined++;
                if (chars >= maxChars) {
                    return new Part(events, cursor(), true, reviews != null);
                }
            }
            if (events.size() >= limit || examined >= LOOKED_AT) {
                return new Part(events, cursor(), true, reviews != null);
            }
        }
    }

    private Event event(String kind, String line) {
        String cursor = cursor();
        StringBuilder json = new StringBuilder("{\"kind\":\"").append(kind).append("\",\"cursor\":");
        CanonicalString.appendQuoted(json, cursor);
        return new Event(
                kind, cursor, json.append(',').append(line, 1, line.length()).toString());
    }

    private Part withReviews(List<Event> events, int limit) throws ChangesLostException {
        Reviews known = reviews;
        if (known == null) {
            return new Part(events, cursor(), false, false);
        }
        Reviews.Changes changes;
        try {
            changes = known.changes(review, limit);
        } catch (StateException e) {
            boolean isLost = e.reason() == Reason.HISTORY_CHANGED || e.reason() == Reason.COMPACTED;
            if (isLost && !review.isEmpty()) { // else nothing was read yet, and the next call finds the new beginning
                throw new ChangesLostException((e.reason() == Reason.COMPACTED
                                ? "compacted: of the reviews, "
                                : "history changed: of the state, ")
                        + e.getMessage()
                        + START_AGAIN);
            }
            if (e.reason() == Reason.INVALID) {
                throw new InvalidCursorException(e.getMessage());
            }
            return new Part(events, cursor(), false, false);
        }
        for (Reviews.Changed changed : changes.reviews()) {
            review = changed.position();
            Optional<Version> reviewed = record.withKey(changed.key());
            if (selectsAll || reviewed.filter(wanted::passes).isPresent()) {
                events.add(event(
                        "review",
                        ReviewLine.of(changed, reviewed.map(Version::key)).json()));
            }
        }
        review = changes.position();
        return new Part(events, cursor(), changes.hasMore(), true);
    }
}
