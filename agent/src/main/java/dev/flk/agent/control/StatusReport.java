// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.control;

import com.fasterxml.jackson.annotation.JsonUnwrapped;
import dev.flk.agent.follow.SourceState;
import dev.flk.program.cli.ErrorMessages;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The state of an agent and its outbox. The JSON form of this record is one flat object: its members have the names of
 * the components here and in {@link Waiting}, {@link Sending} and {@link Disk}, in snake case; members with the value
 * null are omitted. Times are texts in the format of RFC 3339.
 *
 * @param pid the process id of the running agent; null if no agent runs
 * @param lostRecords the number of records lost to disk damage
 * @param sources the sources of the running agent; null if it has no file of sources
 */
public record StatusReport(
        @Nullable Long pid,
        String outbox,
        @JsonUnwrapped Waiting waiting,
        @JsonUnwrapped Sending sending,
        String dlq,
        long dlqEntries,
        long lostRecords,
        @JsonUnwrapped Disk disk,
        @Nullable List<SourceState> sources) {
    /** The maximum number of sources whose problems are named. */
    private static final int MOST_SOURCES = 5;

    /**
     * The certificates that wait.
     *
     * @param pending the number of waiting certificates
     * @param oldestAdded the time at which the oldest waiting certificate was added; null if no certificate waits
     */
    public record Waiting(
            long pending,
            long pendingBytes,
            @Nullable String oldestAdded,
            @Nullable Long oldestPendingSeconds) {
        /**
         * Describes what waits at a time.
         *
         * @param oldestAdded the time at which the oldest waiting certificate was added; empty if no certificate waits
         */
        public static Waiting of(long pending, long pendingBytes, Optional<Instant> oldestAdded, Instant now) {
            return new Waiting(
                    pending,
                    pendingBytes,
                    oldestAdded.map(Instant::toString).orElse(null),
                    oldestAdded
                            .map(added ->
                                    Math.max(0, Duration.between(added, now).toSeconds()))
                            .orElse(null));
        }
    }

    /**
     * The values that only a running agent knows; if no agent runs, all values are null.
     *
     * @param settledPerSecond the average number of certificates settled per second within the last minute
     * @param drainSeconds the estimated number of seconds until no certificate is waiting, at the current rate {@code
     *     settledPerSecond}; null if certificates are waiting, and the rate is 0 or no backend answers
     * @param heldShards the number of shards whose certificates are held back because the backend rejected a signature
     * @param heldSignatures the certificates that wait because a signature was refused; null if no certificate does
     * @param held the certificates that are held because an answer that refused them was not provably the backend's;
     *     null if no certificate is held
     */
    public record Sending(
            @Nullable Integer inFlight,
            @Nullable Double settledPerSecond,
            @Nullable Long drainSeconds,
            @Nullable List<Backend> backends,
            @Nullable Long heldShards,
            @Nullable HeldSignatures heldSignatures,
            @Nullable Held held) {
        /** The values if no agent runs. */
        public static final Sending UNKNOWN = new Sending(null, null, null, null, null, null, null);

        /** Returns whether an agent runs and no backend answers it. */
        public boolean lacksAnswers() {
            return backends != null && backends.stream().noneMatch(Backend::answering);
        }
    }

    /**
     * The space on the disk.
     *
     * @param outboxBytes the total size of the outbox's files; a certificate that would raise this size above {@code
     *     outboxMaxBytes} is rejected
     * @param diskFreeBytes the free space of the outbox's file system; if the free space is below {@code
     *     diskMinFreeBytes}, the outbox accepts no certificates
     */
    public record Disk(long outboxBytes, long outboxMaxBytes, long diskFreeBytes, long diskMinFreeBytes) {}

    /**
     * Returns the reasons why the agent is not healthy; may be empty. Does not report that no agent is running, or that
     * the disk is full.
     *
     * @param longest how long a certificate may wait
     */
    public List<String> problems(Duration longest) {
        List<String> problems = new ArrayList<>();
        Long oldestSeconds = waiting.oldestPendingSeconds();
        if (oldestSeconds != null && oldestSeconds > longest.toSeconds()) {
            problems.add("the oldest certificate has waited for "
                    + ErrorMessages.duration(Duration.ofSeconds(oldestSeconds)) + ", more than "
                    + ErrorMessages.duration(longest));
        }
        if (waiting.pending() > 0 && sending.lacksAnswers()) {
            problems.add("no backend answers; flk-agent doctor looks for the cause");
        }
        Long heldShards = sending.heldShards();
        if (heldShards != null && heldShards > 0) {
            problems.add("the backend refuses the signatures of " + ErrorMessages.count(heldShards, "shard")
                    + "; check PCS_SIGN_ALG and the key");
        }
        HeldSignatures signatures = sending.heldSignatures();
        if (signatures != null && !signatures.refusedBy().isEmpty()) {
            problems.add("the backend with instance id " + String.join(", ", signatures.refusedBy())
                    + " refuses signatures that another backend accepts; update its keys (flk backend keys list)");
        }
        Held held = sending.held();
        if (held != null) {
            problems.add(ErrorMessages.count(held.certificates(), "certificate")
                    + (held.certificates() == 1 ? " is" : " are") + " held (" + held.because()
                    + "); look for a proxy that answers, or changes bodies, in between");
        }
        if (lostRecords > 0) {
            problems.add(
                    "the disk has lost " + ErrorMessages.count(lostRecords, "record") + "; flk-agent fsck lists them");
        }
        if (disk.outboxBytes() > disk.outboxMaxBytes() - disk.outboxMaxBytes() / 10) {
            problems.add("the outbox uses " + ErrorMessages.bytes(disk.outboxBytes()) + " of "
                    + ErrorMessages.bytes(disk.outboxMaxBytes()) + "; soon no certificate will be accepted");
        }
        List<SourceState> failed = failedSources();
        failed.stream()
                .limit(MOST_SOURCES)
                .forEach(source -> problems.add("source " + source.name() + ": " + source.problem()));
        if (failed.size() > MOST_SOURCES) {
            problems.add("other sources with problems: " + (failed.size() - MOST_SOURCES));
        }
        return problems;
    }

    /** Returns the sources that, or of which some files, are not read. */
    public List<SourceState> failedSources() {
        return sources == null
                ? List.of()
                : sources.stream().filter(source -> source.problem() != null).toList();
    }

    /**
     * The certificates that wait because their signature, or another one of their shard, was refused.
     *
     * @param refusedBy the instance ids of backends that refuse the key for a shard for which another accepts it
     */
    public record HeldSignatures(long certificates, List<String> refusedBy) {
        public HeldSignatures {
            refusedBy = List.copyOf(refusedBy);
        }
    }

    /**
     * The certificates that are held. Each is sent again, alone, until {@code MAX_AGE}.
     *
     * @param because a description of the last answer for which a certificate was held
     */
    public record Held(long certificates, String because) {}

    /**
     * The state of a backend, as observed by the agent.
     *
     * @param answering false while the breaker of the backend is open. The agent finds out that an outage is over only
     *     when it has certificates to send; until then the value remains false
     * @param lastAnsweredAt the time of the backend's last answer, except answers to heartbeats; null if the backend
     *     has not answered since the agent's start or the last reload
     * @param pausedSeconds the remaining seconds of a pause in sending to the backend; 0 if there is no pause
     * @param window the maximum number of certificates that may now be in flight to the backend
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
