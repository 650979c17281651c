// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup.redis;

import java.util.Optional;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What this backend's entry in Redis says. No two entries that were ever written are equal, so that an older one that is back, or
 * one that somebody else wrote, shows.
 *
 * @param completeUpTo the sequence in the log up to which every outcome is recorded; empty: none is known
 * @param incarnation 16 hex digits, drawn anew at each connect
 * @param counter of the calls that wrote within one incarnation
 */
record Position(OptionalLong completeUpTo, String incarnation, long counter) {
    private static final Pattern TEXT = Pattern.compile("([0-9]{1,19}|-) ([0-9a-f]{16}) ([0-9]{1,19})");

    /** Empty unless {@code text} is what {@link #text} makes. */
    static Optional<Position> parse(String text) {
        Matcher parts = TEXT.matcher(text);
        if (!parts.matches()) {
            return Optional.empty();
        }
        OptionalLong completeUpTo =
                parts.group(1).equals("-") ? OptionalLong.empty() : OptionalLong.of(Long.parseLong(parts.group(1)));
        return Optional.of(new Position(completeUpTo, parts.group(2), Long.parseLong(parts.group(3))));
    }

    /** What the next call of this incarnation writes. */
    Position next(long completeUpTo) {
        return new Position(OptionalLong.of(completeUpTo), incarnation, counter + 1);
    }

    /** The three fields, single spaces between; {@code -} for a sequence that is not known. */
    String text() {
        return (completeUpTo.isPresent() ? Long.toString(completeUpTo.getAsLong()) : "-") + " " + incarnation + " "
                + counter;
    }

    /** Whether {@code other} was written by the same incarnation, at this call or later. */
    boolean isReachedBy(Position other) {
        return other.incarnation.equals(incarnation) && other.counter >= counter;
    }
}
