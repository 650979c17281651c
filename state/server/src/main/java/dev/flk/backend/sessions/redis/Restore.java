// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions.redis;

import dev.flk.backend.sessions.StoredSession;
import dev.flk.backend.sessions.postgres.SyncTables;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletionStage;
import org.jspecify.annotations.Nullable;

/**
 * A restore of the sessions in Redis from Postgres. Its steps are made once each, in this order: {@link #begin},
 * {@link #beginGeneration}, {@link #copy}, {@link #finish}. Several backends may restore at the same time; they share
 * the mark, and so the generation. If Redis loses its data during the restore, the mark is gone and the next step fails.
 */
final class Restore {
    private static final int AT_ONCE = 100;

    /** A function that runs an operation of {@link SessionScript} with the run id as its epoch. */
    @FunctionalInterface
    interface Calls {
        CompletionStage<List<Object>> call(String operation, String... arguments);
    }

    private final Calls redis;
    private final @Nullable SyncTables durable;
    private final SecureRandom random;
    private String mark = "";
    private long generation;

    /** @param durable the durable copy of the sessions; may be null, which leaves only the steps in Redis */
    Restore(Calls redis, @Nullable SyncTables durable, SecureRandom random) {
        this.redis = redis;
        this.durable = durable;
        this.random = random;
    }

    /** Marks the restore in Redis, unless the sessions are complete; the steps until {@link #finish} then do nothing. */
    void begin() {
        List<Object> reply = call("begin", Long.toHexString(random.nextLong()));
        mark = (String) reply.get(1);
        generation = Long.parseLong((String) reply.get(2));
    }

    /** Begins the generation in Postgres; from then on, no change that was read from Redis before is written there. */
    void beginGeneration() {
        if (durable != null && !mark.isEmpty()) {
            generation = durable.beginGeneration(mark, generation);
        }
    }

    /**
     * Copies the sessions that are newer in Postgres to Redis.
     *
     * @param now the time in milliseconds by Redis' clock
     * @param keepMillis the time for which a version outlives its session
     */
    void copy(long now, long keepMillis) {
        if (durable != null && !mark.isEmpty()) {
            durable.restorable(now, keepMillis, this::copy);
        }
    }

    private void copy(List<StoredSession> rows) {
        for (int from = 0; from < rows.size(); from += AT_ONCE) {
            List<String> arguments = new ArrayList<>();
            arguments.add(mark);
            for (StoredSession row : rows.subList(from, Math.min(rows.size(), from + AT_ONCE))) {
                Collections.addAll(
                        arguments,
                        row.id(),
                        Long.toString(row.version()),
                        row.kind().text(),
                        Long.toString(row.changedAt()),
                        Long.toString(row.expiresAt()),
                        row.json());
            }
            List<Object> unused = call("restore", arguments.toArray(String[]::new));
        }
    }

    /** Declares the sessions complete, unless they are, and returns the epoch for all further operations. */
    String finish() {
        return (String) call(
                        "finish",
                        Long.toHexString(random.nextLong()),
                        durable == null ? "" : SessionScript.GROUP,
                        mark,
                        Long.toString(generation))
                .get(1);
    }

    private List<Object> call(String operation, String... arguments) {
        return redis.call(operation, arguments).toCompletableFuture().join();
    }
}
