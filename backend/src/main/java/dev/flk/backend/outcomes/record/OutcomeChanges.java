// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.backend.outcomes.record.OutcomeRows.Change;
import dev.flk.backend.outcomes.record.OutcomeRows.Changed;
import dev.flk.backend.outcomes.record.OutcomeRows.ChangesLostException;
import dev.flk.backend.outcomes.record.OutcomeRows.InvalidCursorException;
import dev.flk.backend.outcomes.record.OutcomeRows.Reviewed;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.canonical.CanonicalString;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Optional;

/**
 * The events of the record after a cursor: the versions of outcomes and the reviews, in their order. Everything in a
 * part is durable. A cursor is one of {@link OutcomeRows#changes} in base64url.
 *
 * <p>Calls block. Not safe for concurrent use.
 */
public final class OutcomeChanges {
    private static final int READ_AT_ONCE = 100;
    /** The maximum number of events that are examined for one part. */
    private static final int LOOKED_AT = 10_000;

    private static final String START_AGAIN =
            "; fetch cursor=now, then read /v1/outcomes and /v1/reviews again, and continue after the fetched cursor";

    private final RecordedOutcomes record;
    private final OutcomeQuery wanted;
    private final boolean selectsAll;
    private String position;

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
     */
    public record Part(List<Event> events, String cursor, boolean hasMore) {}

    /**
     * Creates a reader.
     *
     * @param wanted the conditions for outcomes, and for the outcomes of reviews; its order, limit and cursor have no
     *     effect
     * @param cursor the cursor after which the events begin; empty for the oldest event that exists
     * @throws InvalidCursorException if the cursor was not returned by a reader
     */
    public OutcomeChanges(RecordedOutcomes record, OutcomeQuery wanted, String cursor) {
        this.record = record;
        this.wanted = wanted;
        this.selectsAll = wanted.selectsAll();
        try {
            this.position = new String(Base64.getUrlDecoder().decode(cursor), StandardCharsets.UTF_8);
        } catch (IllegalArgumentException e) {
            throw new InvalidCursorException("the cursor was not returned by /v1/outcomes/changes");
        }
    }

    /** Returns the cursor after the newest event. */
    public static String newest(RecordedOutcomes record) {
        return encoded(record.rows().newest());
    }

    private static String encoded(String position) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(position.getBytes(StandardCharsets.UTF_8));
    }

    /** Returns the cursor after everything that was examined. */
    public String cursor() {
        return encoded(position);
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
                page = record.rows().changes(position, Math.min(READ_AT_ONCE, limit - events.size()));
            } catch (ChangesLostException e) {
                if (examined > 0) {
                    return new Part(events, cursor(), true);
                }
                throw new ChangesLostException(e.getMessage() + START_AGAIN);
            }
            if (page.isEmpty()) {
                return new Part(events, cursor(), false);
            }
            for (Change change : page) {
                position = change.cursor();
                if (isSelected(change.changed())) {
                    Event event = event(change.changed());
                    events.add(event);
                    chars += event.line().length();
                }
                examined++;
                if (chars >= maxChars) {
                    return new Part(events, cursor(), true);
                }
            }
            if (events.size() >= limit || examined >= LOOKED_AT) {
                return new Part(events, cursor(), true);
            }
        }
    }

    private boolean isSelected(Changed changed) {
        return selectsAll
                || (changed instanceof Version version ? Optional.of(version) : record.withKey(changed.key()))
                        .filter(wanted::passes)
                        .isPresent();
    }

    private Event event(Changed changed) {
        boolean isReview = changed instanceof Reviewed;
        String line =
                changed instanceof Reviewed review ? review.logged().json() : RecordedOutcomes.line((Version) changed);
        String kind = isReview ? "review" : "outcome";
        String cursor = cursor();
        StringBuilder json = new StringBuilder("{\"kind\":\"").append(kind).append("\",\"cursor\":");
        CanonicalString.appendQuoted(json, cursor);
        return new Event(
                kind, cursor, json.append(',').append(line, 1, line.length()).toString());
    }
}
