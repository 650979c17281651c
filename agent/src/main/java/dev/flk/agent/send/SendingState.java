// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * The state of sending at one moment.
 *
 * @param inFlight certificates that wait for an answer
 * @param settledASecond within the last minute
 * @param heldShards shards whose signatures are refused
 */
public record SendingState(List<Backend> backends, int inFlight, double settledASecond, long heldShards) {

    /**
     * One backend.
     *
     * @param url its base URL
     * @param answering false while its breaker is open; true says no more than that nothing tells otherwise
     * @param lastAnswerAt empty until it has answered this agent, as it is configured now
     * @param pausedSeconds how long it asked not to be sent anything
     * @param window how many certificates it may be sent at once
     * @param clockAheadMillis how far its clock is ahead of ours, as far as it is known
     */
    public record Backend(
            String url,
            boolean answering,
            Optional<Instant> lastAnswerAt,
            long pausedSeconds,
            int window,
            long clockAheadMillis,
            Optional<Instant> lastErrorAt,
            Optional<String> lastError) {}
}
