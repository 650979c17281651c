// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.control;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The state of an agent. In JSON it is an object with these names in snake case that omits null values. Times are in
 * RFC 3339.
 *
 * @param pid the process id of the running agent; null if none runs, and then everything that only a running agent
 *     knows is null too
 * @param pending the number of waiting certificates
 * @param oldestAdded the time at which the oldest waiting certificate was added; null if none waits
 * @param settledPerSecond the rate at which certificates were settled within the last minute
 * @param drainSeconds the time until none waits any more, at that rate; null if the rate is 0
 * @param heldShards the number of shards that are on hold because the backend rejected a signature
 * @param lostRecords the number of records lost to disk damage
 * @param outboxBytes the size of the outbox's files; at most {@code outboxMaxBytes}
 * @param diskFreeBytes the free space of the file system; the outbox accepts nothing below {@code diskMinFreeBytes}
 */
public record StatusReport(
        @Nullable Long pid,
        String outbox,
        long pending,
        long pendingBytes,
        @Nullable String oldestAdded,
        @Nullable Long oldestPendingSeconds,
        @Nullable Integer inFlight,
        @Nullable Double settledPerSecond,
        @Nullable Long drainSeconds,
        @Nullable List<Backend> backends,
        @Nullable Long heldShards,
        String dlq,
        long dlqEntries,
        long lostRecords,
        long outboxBytes,
        long outboxMaxBytes,
        long diskFreeBytes,
        long diskMinFreeBytes) {
    /**
     * A backend as the agent sees it.
     *
     * @param answering false during an outage, while the agent sends only probes, and those only while certificates
     *     wait
     * @param lastAnsweredAt the time of its last answer; null if it has not answered since the agent's start or the
     *     last reload
     * @param pausedSeconds the remaining pause that it asked for
     * @param window the number of certificates that may be in flight to it
     * @param clockAheadMs the offset of its clock from the agent's; negative if it is behind
     */
    public record Backend(
            String url,
            boolean answering,
            @Nullable String lastAnsweredAt,
            long pausedSeconds,
            int window,
            long clockAheadMs,
            @Nullable String lastErrorAt,
            @Nullable String lastError) {}
}
