// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.control;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The state of an agent. In JSON it is an object whose members have these names in snake case; null values are omitted.
 * Times are texts in RFC 3339.
 *
 * @param pid the process id of the running agent. If no agent runs, this value is null, and so is every other value
 *     that only a running agent knows
 * @param pending the number of waiting certificates
 * @param oldestAdded the time at which the oldest waiting certificate was added; null if none waits
 * @param settledPerSecond the rate at which certificates were settled within the last minute
 * @param drainSeconds the seconds after which, at that rate, no certificate would wait any more; null if certificates
 *     wait and the rate is 0
 * @param heldShards the number of shards that are held because the backend rejected a signature
 * @param lostRecords the number of records lost to disk damage
 * @param outboxBytes the size of the outbox's files; certificates that would raise this size above {@code
 *     outboxMaxBytes} are rejected
 * @param diskFreeBytes the free space of the file system; if it is below {@code diskMinFreeBytes}, the outbox accepts
 *     no certificates
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
     * @param answering false during an outage. The agent then only probes whether the backend answers, and only while
     *     certificates wait
     * @param lastAnsweredAt the time of the backend's last answer; null if the backend has not answered since the
     *     agent's start or the last reload
     * @param pausedSeconds the remaining seconds of a pause in sending to the backend; 0 if there is no pause
     * @param window the number of certificates that may be in flight to the backend
     * @param clockAheadMs the offset of the backend's clock from the agent's; negative if the backend's clock is behind
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
