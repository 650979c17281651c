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

/** For those who look after the state as a whole; {@link StateClient#care}. Any thread. */
public final class StateCare {
    private static final int MOST_MINUTES = 10;

    private final StateClient client;
    private final CareBlockingStub stub;

    StateCare(StateClient client, CareBlockingStub stub) {
        this.client = client;
        this.stub = stub;
    }

    /**
     * All that a history holds.
     *
     * @param floor up to which revision it was compacted; 0: it was not
     * @param floorAt when that was committed
     * @param events first, one for each key, what stood at the floor; then those behind it, in order. To be closed.
     */
    public record Dump(String historyId, long floor, Instant floorAt, Stream<StateEvent> events) {}

    /**
     * Reads all that is kept. The stream fails with COMPACTED if older history is removed meanwhile: dump again.
     *
     * @param namespace empty: all
     * @param agentId empty: all
     */
    public Dump dump(String namespace, String agentId) {
        StandingResponse first = page(namespace, agentId, "");
        Stream<StateEvent> stood = Stream.iterate(first, page -> page.getEntriesCount() > 0, page -> {
                    StandingResponse next = page(namespace, agentId, page.getNextPageToken());
                    requireFloor(first, next);
                    return next;
                })
                .flatMap(page -> page.getEntriesList().stream())
                .map(StateCare::event);
        // from the oldest that is kept, which of a namespace may be later than the floor
        Replay behind = (namespace.isEmpty()
                        ? Replay.ofAll().from(first.getFloor() + 1)
                        : Replay.of(namespace, agentId))
                .to(client.info().newestRevision() + 1);
        return new Dump(
                first.getHistoryId(),
                first.getFloor(),
                StateClient.instant(first.getFloorAt()),
                Stream.concat(
                        Stream.concat(stood, client.replay(behind)),
                        Stream.of(first).flatMap(page -> unchanged(page, namespace, agentId))));
    }

    /** Nothing, or an exception: a replay of a namespace begins with what is kept by then. */
    private Stream<StateEvent> unchanged(StandingResponse first, String namespace, String agentId) {
        requireFloor(first, page(namespace, agentId, ""));
        return Stream.empty();
    }

    private static void requireFloor(StandingResponse first, StandingResponse now) {
        if (now.getFloor() != first.getFloor()) {
            throw new IllegalStateException("history was compacted while it was dumped: dump again");
        }
    }

    private StandingResponse page(String namespace, String agentId, String token) {
        return StateClient.call(() -> timed().standing(StandingRequest.newBuilder()
                .setNamespace(namespace)
                .setAgentId(agentId)
                .setPageToken(token)
                .build()));
    }

    private static StateEvent event(FindResponse.Entry stood) {
        Versioned version = StateClient.versioned(stood.getVersion());
        return new StateEvent(
                version.revision(),
                version.committedAt(),
                List.of(new StateEvent.Change(
                        stood.getKey().getNamespace(),
                        stood.getKey().getAgentId(),
                        stood.getKey().getKey(),
                        version.version(),
                        false,
                        version.json())),
                1,
                "");
    }

    /** A copy of the embedded state, and the revision up to which it is there at least. */
    public record Backup(String path, long revision) {}

    /** Copies the embedded state as it is now, beside its directory on the backend's machine. */
    public Backup backup() {
        BackupResponse made = StateClient.call(() -> timed().backup(BackupRequest.getDefaultInstance()));
        return new Backup(made.getPath(), made.getRevision());
    }

    /** Removes what was overwritten or deleted before a time; the oldest revision that can be replayed then. */
    public long compact(Instant before) {
        return compact(At.newBuilder().setTime(StateClient.timestamp(before)).build());
    }

    /** The same up to a revision. */
    public long compact(long upTo) {
        return compact(At.newBuilder().setRevision(upTo).build());
    }

    private long compact(At at) {
        return StateClient.call(() ->
                        timed().compact(CompactRequest.newBuilder().setAt(at).build()))
                .getOldestRevision();
    }

    private CareBlockingStub timed() {
        return stub.withDeadlineAfter(MOST_MINUTES, TimeUnit.MINUTES);
    }
}
