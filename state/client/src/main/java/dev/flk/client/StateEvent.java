// SPDX-License-Identifier: Apache-2.0
package dev.flk.client;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A committed transaction.
 *
 * @param changes the changes that the {@link Replay} selects, in the order of the transaction
 * @param operationsTotal the number of all changes of the transaction, including changes that the replay does not
 *     select
 * @param resumeToken a token with which a replay resumes after this event; empty if the event represents the value of a
 *     key at the floor of a {@link StateCare.Dump}
 */
public record StateEvent(
        long revision, Instant committedAt, List<Change> changes, int operationsTotal, String resumeToken) {
    /**
     * A version that the transaction created.
     *
     * @param json the value; empty for a deletion
     * @param ttl the lifetime with which the version was written; null if it had none
     */
    public record Change(
            String namespace,
            String agentId,
            String key,
            long version,
            boolean isDeleted,
            String json,
            @Nullable Duration ttl) {}
}
