// SPDX-License-Identifier: Apache-2.0
package dev.flk.client;

import dev.flk.client.proto.At;
import dev.flk.client.proto.ReplayRequest;

/** Which events are wanted. */
public final class Replay {
    private final ReplayRequest request;

    private Replay(ReplayRequest request) {
        this.request = request;
    }

    /** All that the caller may read. */
    public static Replay ofAll() {
        return new Replay(ReplayRequest.getDefaultInstance());
    }

    /** Those of an agent of the namespace {@code default}. */
    public static Replay ofAgent(String agentId) {
        return of("default", agentId);
    }

    /** Those of an agent; of all agents of a namespace, if the agent is empty. */
    public static Replay of(String namespace, String agentId) {
        return new Replay(ReplayRequest.newBuilder()
                .setNamespace(namespace)
                .setAgentId(agentId)
                .build());
    }

    /** From a revision on. */
    public Replay from(long revision) {
        return new Replay(request.toBuilder()
                .setFrom(At.newBuilder().setRevision(revision))
                .build());
    }

    /** Up to the revision before this one. */
    public Replay to(long revision) {
        return new Replay(
                request.toBuilder().setTo(At.newBuilder().setRevision(revision)).build());
    }

    /** Behind the event that had this token. */
    public Replay behind(String resumeToken) {
        return new Replay(
                request.toBuilder().clearFrom().setResumeToken(resumeToken).build());
    }

    /** Goes on with commits as they come, and through lost connections, until the stream is closed. */
    public Replay follow() {
        return new Replay(request.toBuilder().setFollow(true).setProgress(true).build());
    }

    ReplayRequest request() {
        return request;
    }
}
