// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.control;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How an agent is; as JSON an object with these names in snake case, and without those that are null. Times are RFC 3339.
 *
 * @param pid of the agent that runs; null if none does, and then what only it can know is null too
 * @param pending certificates that wait
 * @param oldestAdded when the one was added that has waited longest; null if none waits
 * @param settledPerSecond within the last minute
 * @param drainSeconds until nothing waits any more, at that rate; null if that is not to be foreseen
 * @param heldShards shards whose signatures the backend refuses
 * @param lostRecords records that the disk has lost
 * @param outboxBytes what the outbox's files take, of {@code outboxMaxBytes}
 * @param diskFreeBytes what is left of the file system; intake stops below {@code diskMinFreeBytes}
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
    private static final JsonMapper JSON = JsonMapper.builder()
            .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
            .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .build();

    /**
     * A backend as the agent sees it.
     *
     * @param answering false while nothing but a look now and then is sent to it; while nothing waits nobody looks
     * @param lastAnsweredAt null if it has not answered this agent yet
     * @param pausedSeconds how long it asked to be left alone
     * @param window certificates that it may be sent at once
     * @param clockAheadMs how far its clock is ahead of ours
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

    /** Of what {@link dev.flk.program.cli.Json#bytes} made. */
    public static StatusReport decode(byte[] json) throws IOException {
        return JSON.readValue(json, StatusReport.class);
    }
}
