// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup.redis;

import dev.flk.backend.dedup.StoredOutcome;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Keys and values in Redis.
 *
 * <pre>
 * key                               value                                                       ends
 * flk:outcome:{pcs_id}              {@link StoredOutcome#encode}                                     with the outcome
 * flk:evidence:{pcs_id}:{digest}    when this note ends, milliseconds since the epoch, decimal  then
 * flk:position:{log id}             {@link Position#text}                                       never
 * </pre>
 */
final class Keys {
    private Keys() {}

    /** A key and two that are never written: on a cluster not all of them are of one slot. */
    static String[] withProbes(String key) {
        return new String[] {key, "flk:outcome:a", "flk:outcome:b"};
    }

    static String outcome(PcsId id) {
        return "flk:outcome:" + id;
    }

    /**
     * The outcome that stands under an id.
     *
     * @throws IllegalArgumentException naming the key if these bytes are none of this id
     */
    static StoredOutcome outcome(PcsId id, byte[] value) {
        try {
            StoredOutcome outcome = StoredOutcome.decode(value);
            if (outcome.id().equals(id)) {
                return outcome;
            }
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(noOutcome(id), e);
        }
        throw new IllegalArgumentException(noOutcome(id));
    }

    private static String noOutcome(PcsId id) {
        return "what stands under " + outcome(id) + " is no outcome of that id; find out who writes there, then DEL it";
    }

    static String evidence(PcsId id, ContentDigest digest) {
        return "flk:evidence:" + id + ":" + digest.hex();
    }

    static String position(String logId) {
        return "flk:position:" + logId;
    }

    /**
     * What this backend's entry in Redis says. No two entries that were ever written are equal, so that an older one that is back, or
     * one that another process wrote, shows.
     *
     * @param completeUpTo the sequence in the log up to which every outcome is recorded; empty: none is known
     * @param incarnation 16 hex digits, drawn at each connect
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
}
