// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup.redis;

import dev.flk.backend.dedup.Recorded;
import dev.flk.backend.dedup.redis.Session.Position;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;

/**
 * Keys and values in Redis.
 *
 * <pre>
 * key                               value                                                       ends
 * flk:outcome:{pcs_id}              {@link Recorded#encode}                                     with the outcome
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
    static Recorded outcome(PcsId id, byte[] value) {
        try {
            Recorded outcome = Recorded.decode(value);
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
}
