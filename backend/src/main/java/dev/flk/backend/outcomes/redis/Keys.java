// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.redis;

import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.outcomes.WriteMark;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Keys and values in Redis. In a Redis Cluster, a hash tag takes the place of {@code flk} in the names, such as
 * <code>{flk}:health</code>, so that all keys lie in one slot.
 *
 * <pre>
 * key                               value                                                       expires
 * flk:outcome:{pcs_id}              {@link StoredOutcome#encode(String)}                             with the outcome
 * flk:evidence:{pcs_id}:{digest}    expiry of the note, milliseconds since the epoch, decimal   at that time
 * flk:health                        empty, written by the command health                           after a second
 * flk:position:{log id}             {@link Position#text}                                       never
 * </pre>
 */
final class Keys {
    private final String prefix;

    /** @param prefix the beginning of the names, {@link dev.flk.backend.stores.redis.RedisConnector#prefix} */
    Keys(String prefix) {
        this.prefix = prefix;
    }

    /**
     * Returns {@code key} and two other keys, which are never written. Reading the three keys in one call detects a
     * Redis Cluster that is not configured as one, which refuses the call because the keys belong to different slots.
     */
    String[] withProbes(String key) {
        return new String[] {key, prefix + "outcome:a", prefix + "outcome:b"};
    }

    String outcome(PcsId id) {
        return prefix + "outcome:" + id;
    }

    /**
     * Returns the outcome stored under an id.
     *
     * @throws IllegalArgumentException if these bytes are not an outcome of this id; the message names the key
     */
    StoredOutcome outcome(PcsId id, byte[] value) {
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

    private String noOutcome(PcsId id) {
        return "the value of " + outcome(id)
                + " is not an outcome of that id; find out which client writes it, then DEL it";
    }

    String evidence(PcsId id, ContentDigest digest) {
        return prefix + "evidence:" + id + ":" + digest.hex();
    }

    String position(String logId) {
        return prefix + "position:" + logId;
    }

    /**
     * The content of this backend's position entry in Redis.
     *
     * @param completeUpTo the sequence in the log up to which every outcome is recorded; empty if it is unknown
     * @param mark the mark of the put that writes this entry; the incarnation has 16 hex digits
     */
    record Position(OptionalLong completeUpTo, WriteMark mark) {
        static final int INCARNATION_BYTES = 8;

        private static final Pattern TEXT = Pattern.compile("([0-9]{1,18}|-) ([0-9a-f]{16}) ([0-9]{1,18})");

        /** Parses a text in the format of {@link #text}; returns empty for a text in another format. */
        static Optional<Position> parse(String text) {
            Matcher parts = TEXT.matcher(text);
            if (!parts.matches()) {
                return Optional.empty();
            }
            OptionalLong completeUpTo =
                    parts.group(1).equals("-") ? OptionalLong.empty() : OptionalLong.of(Long.parseLong(parts.group(1)));
            return Optional.of(
                    new Position(completeUpTo, new WriteMark(parts.group(2), Long.parseLong(parts.group(3)))));
        }

        /** Returns the position that the next call of this incarnation writes. */
        Position next(long completeUpTo) {
            return new Position(OptionalLong.of(completeUpTo), mark.next());
        }

        /** Renders sequence, incarnation and counter, separated by single spaces; an unknown sequence is {@code -}. */
        String text() {
            return (completeUpTo.isPresent() ? Long.toString(completeUpTo.getAsLong()) : "-") + " " + mark.incarnation()
                    + " " + mark.counter();
        }
    }
}
