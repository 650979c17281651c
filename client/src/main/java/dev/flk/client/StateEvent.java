// SPDX-License-Identifier: Apache-2.0
package dev.flk.client;

import java.time.Instant;
import java.util.List;

/**
 * One committed transaction.
 *
 * @param changes in the order of the transaction; those that pass the filter
 * @param operationsTotal how many there are without it
 * @param resumeToken a replay goes on behind it
 */
public record StateEvent(
        long revision, Instant committedAt, List<Change> changes, int operationsTotal, String resumeToken) {
    /**
     * A version that it made.
     *
     * @param json empty if it is a deletion
     */
    public record Change(String namespace, String agentId, String key, long version, boolean isDeleted, String json) {}
}
