// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.postgres;

import dev.flk.backend.outcomes.record.OutcomeRows.ChangesLostException;
import dev.flk.backend.outcomes.record.OutcomeRows.InvalidCursorException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The place of a follower among the versions and reviews. Its text is {@code recordId.generation.number.token.from}.
 *
 * @param number the number of the last version or review that the follower has; 0 before the first
 * @param token the token of this number, which differs if the database was restored and has something else under this
 *     number; 0 if it was removed
 * @param from the number up to which changes may have been removed before the follower began; these it does not miss
 */
record ChangeCursor(String recordId, long generation, long number, long token, long from) {
    private static final Pattern TEXT =
            Pattern.compile("([0-9a-f]{32})\\.(\\d{1,18})\\.(\\d{1,18})\\.([0-9a-f]{1,16})\\.(\\d{1,18})");

    /**
     * The content of {@code flk_record}.
     *
     * @param generation the number of times that a log went back
     */
    record Head(String recordId, long generation, long lastNumber, long removedUpTo) {
        /** Returns the cursor of a follower that begins at the oldest version. */
        ChangeCursor oldest() {
            return new ChangeCursor(recordId, generation, 0, 0, removedUpTo);
        }
    }

    /** @throws InvalidCursorException if the text is not a cursor */
    static ChangeCursor parse(String text) {
        Matcher parts = TEXT.matcher(text);
        if (!parts.matches()) {
            throw new InvalidCursorException("cursor was not returned with an outcome; begin without a cursor");
        }
        return new ChangeCursor(
                parts.group(1),
                Long.parseLong(parts.group(2)),
                Long.parseLong(parts.group(3)),
                Long.parseUnsignedLong(parts.group(4), 16),
                Long.parseLong(parts.group(5)));
    }

    /** Returns the cursor after a later version. */
    ChangeCursor after(long laterNumber, long laterToken) {
        return new ChangeCursor(recordId, generation, laterNumber, laterToken, from);
    }

    /**
     * Throws an exception unless the record still has all changes after this place.
     *
     * @param present the token of this number; null if nothing has it
     */
    void require(Head head, @Nullable Long present) throws ChangesLostException {
        if (!recordId.equals(head.recordId())) {
            throw new InvalidCursorException("cursor belongs to record " + recordId + ", but this backend has record "
                    + head.recordId() + "; begin without a cursor");
        }
        boolean isSame = number <= head.removedUpTo() || present != null;
        if (generation != head.generation() || !isSame || (present != null && present != token && number > 0)) {
            throw new ChangesLostException(
                    "history changed: a log or the database was restored or replaced after the cursor was returned");
        }
        if (head.removedUpTo() > Math.max(number, from)) {
            throw new ChangesLostException("compacted: outcomes after the cursor were removed, because they are older"
                    + " than RECORD_HISTORY");
        }
    }

    @Override
    public String toString() {
        return recordId + "." + generation + "." + number + "." + Long.toHexString(token) + "." + from;
    }
}
