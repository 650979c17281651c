// SPDX-License-Identifier: Apache-2.0
package dev.flk.client;

import dev.flk.client.proto.At;
import dev.flk.client.proto.BackupRequest;
import dev.flk.client.proto.BackupResponse;
import dev.flk.client.proto.CareGrpc.CareBlockingStub;
import dev.flk.client.proto.CompactRequest;
import dev.flk.client.proto.FindResponse;
import dev.flk.client.proto.StandingRequest;
import dev.flk.client.proto.StandingResponse;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** The administrative calls for the state as a whole; see {@link StateClient#care}. Safe for any thread. */
public final class StateCare {
    private static final int MAX_MINUTES = 10;

    private final StateClient client;
    private final CareBlockingStub stub;

    StateCare(StateClient client, CareBlockingStub stub) {
        this.client = client;
        this.stub = stub;
    }

    /**
     * The complete contents of a history.
     *
     * @param floor the revision up to which the history was compacted; 0 if it was never compacted
     * @param floorAt the time at which the floor was committed
     * @param events first one event for each key that had a value at the floor, then the later events in order; the
     *     caller must close the stream
     */
    public record Dump(String historyId, long floor, Instant floorAt, Stream<StateEvent> events) {}

    /**
     * Reads all retained state of an agent in a namespace, or of all agents or namespaces. If the history is compacted
     * during the dump, the stream throws {@link StateCallException.Compacted} or {@link IllegalStateException}; in this
     * case, dump again.
     *
     * @param namespace the namespace; empty for all namespaces
     * @param agentId the agent; empty for all agents, and required to be empty for all namespaces
     */
    public Dump dump(String namespace, String agentId) {
        if (namespace.isEmpty() && !agentId.isEmpty()) {
            throw new IllegalArgumentException("an agent can be dumped only from one namespace; name the namespace");
        }
        StandingResponse first = page(namespace, agentId, "");
        Stream<StateEvent> atFloor = Stream.iterate(first, page -> page.getEntriesCount() > 0, page -> {
                    StandingResponse next = page(namespace, agentId, page.getNextPageToken());
                    requireSameFloor(first, next);
                    return next;
                })
                .flatMap(page -> page.getEntriesList().stream())
                .map(StateCare::event);
        // The replay of a namespace has no explicit start, because a start at the floor would fail if the oldest
        // retained revision of the namespace is later.
        Replay later = (namespace.isEmpty() ? Replay.ofAll().from(first.getFloor() + 1) : Replay.of(namespace, agentId))
                .to(client.info().newestRevision() + 1);
        return new Dump(
                first.getHistoryId(),
                first.getFloor(),
                Messages.instant(first.getFloorAt()),
                Stream.concat(
                        Stream.concat(atFloor, client.replay(later)),
                        Stream.of(first).flatMap(page -> requireSameFloor(page, namespace, agentId))));
    }

    /**
     * Throws if the history was compacted during the dump: the floor, the revision up to which the history was
     * compacted, has then moved. Otherwise, returns an empty stream, which is appended to the events so that the check
     * comes last. The replay of a namespace does not notice a compaction, because it begins with the oldest revision
     * that is kept.
     */
    private Stream<StateEvent> requireSameFloor(StandingResponse first, String namespace, String agentId) {
        requireSameFloor(first, page(namespace, agentId, ""));
        return Stream.empty();
    }

    private static void requireSameFloor(StandingResponse first, StandingResponse now) {
        if (now.getFloor() != first.getFloor()) {
            throw new IllegalStateException("the history was compacted during the dump: dump again");
        }
    }

    private StandingResponse page(String namespace, String agentId, String token) {
        return Calls.once(() -> timed().standing(StandingRequest.newBuilder()
                .setNamespace(namespace)
                .setAgentId(agentId)
                .setPageToken(token)
                .build()));
    }

    private static StateEvent event(FindResponse.Entry entry) {
        Versioned version = Messages.versioned(entry.getVersion());
        return new StateEvent(
                version.revision(),
                version.committedAt(),
                List.of(new StateEvent.Change(
                        entry.getKey().getNamespace(),
                        entry.getKey().getAgentId(),
                        entry.getKey().getKey(),
                        version.version(),
                        false,
                        version.json(),
                        version.ttl())),
                1,
                "");
    }

    /**
     * A copy of the embedded state: the directory of the copy, and a revision up to which the copy is complete. The
     * copy may also contain later revisions.
     */
    public record Backup(String path, long revision) {}

    /**
     * Copies the current embedded state to a new directory on the backend's machine, next to the state's own directory.
     */
    public Backup backup() {
        BackupResponse made = Calls.once(() -> timed().backup(BackupRequest.getDefaultInstance()));
        return new Backup(made.getPath(), made.getRevision());
    }

    /**
     * Removes values that were overwritten or deleted before a time. Returns the oldest revision that can still be
     * replayed.
     */
    public long compact(Instant before) {
        return compact(At.newBuilder().setTime(Messages.timestamp(before)).build());
    }

    /**
     * Removes values that were overwritten or deleted before the revision {@code upTo}. Returns the oldest revision
     * that can still be replayed.
     */
    public long compact(long upTo) {
        return compact(At.newBuilder().setRevision(upTo).build());
    }

    private long compact(At at) {
        return Calls.once(() ->
                        timed().compact(CompactRequest.newBuilder().setAt(at).build()))
                .getOldestRevision();
    }

    private CareBlockingStub timed() {
        return stub.withDeadlineAfter(MAX_MINUTES, TimeUnit.MINUTES);
    }
}
