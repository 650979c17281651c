// SPDX-License-Identifier: Apache-2.0
package dev.flk.client;

import dev.flk.client.proto.At;
import dev.flk.client.proto.ReplayRequest;
import java.time.Instant;

/** A selection of events to replay. Immutable. */
public final class Replay {
    private final ReplayRequest request;

    private Replay(ReplayRequest request) {
        this.request = request;
    }

    /** Selects all events that the caller may read. */
    public static Replay ofAll() {
        return new Replay(ReplayRequest.getDefaultInstance());
    }

    /** Selects the events of an agent in the namespace {@code default}. */
    public static Replay ofAgent(String agentId) {
        return of("default", agentId);
    }

    /** Selects the events of an agent in a namespace, or of the whole namespace if {@code agentId} is empty. */
    public static Replay of(String namespace, String agentId) {
        return new Replay(ReplayRequest.newBuilder()
                .setNamespace(namespace)
                .setAgentId(agentId)
                .build());
    }

    /** Starts at {@code revision}. */
    public Replay from(long revision) {
        return new Replay(request.toBuilder()
                .setFrom(At.newBuilder().setRevision(revision))
                .build());
    }

    /** Ends before {@code revision}. */
    public Replay to(long revision) {
        return new Replay(
                request.toBuilder().setTo(At.newBuilder().setRevision(revision)).build());
    }

    /** Starts with the first revision that was committed at or after {@code time}. */
    public Replay from(Instant time) {
        return new Replay(request.toBuilder()
                .setFrom(At.newBuilder().setTime(Messages.timestamp(time)))
                .build());
    }

    /** Ends before the first revision that was committed at or after {@code time}. */
    public Replay to(Instant time) {
        return new Replay(request.toBuilder()
                .setTo(At.newBuilder().setTime(Messages.timestamp(time)))
                .build());
    }

    /** Starts after the event with this token. */
    public Replay after(String resumeToken) {
        return new Replay(
                request.toBuilder().clearFrom().setResumeToken(resumeToken).build());
    }

    /**
     * Makes the replay wait for new commits, and continue after lost connections, until its stream is closed or the
     * revision or time of {@link #to} is reached.
     */
    public Replay follow() {
        return new Replay(request.toBuilder().setFollow(true).setProgress(true).build());
    }

    ReplayRequest request() {
        return request;
    }
}
