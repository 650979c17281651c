// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions.redis;

import dev.flk.backend.stores.redis.RedisConfig;
import dev.flk.backend.stores.redis.RedisConnector;
import io.lettuce.core.Limit;
import io.lettuce.core.Range;
import io.lettuce.core.Range.Boundary;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.StreamMessage;
import io.lettuce.core.api.async.RedisAsyncCommands;
import io.lettuce.core.codec.StringCodec;
import java.io.IOException;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The changes of sessions that Postgres has refused, in the dead stream, for an operator. Each method blocks until Redis
 * answers; the exceptions name the server, the failure and the remedy.
 */
public final class DeadChanges implements AutoCloseable {
    private static final Pattern ENTRY = Pattern.compile("[0-9]{1,18}-[0-9]{1,18}");
    private static final int AT_ONCE = 100;

    private final RedisConnector connector;
    private final SessionKeys keys;
    private final RedisAsyncCommands<String, String> redis;

    /**
     * A change in the dead stream.
     *
     * @param entry the id of the entry
     * @param session the id of the session; null if the change was removed before it could be written, so that only the
     *     entry with the error is left
     * @param kind {@code live}, {@code deleted} or {@code expired}
     */
    public record DeadChange(
            String entry,
            @Nullable String session,
            @Nullable String version,
            @Nullable String kind,
            Instant refusedAt,
            @Nullable String error) {}

    /**
     * The result of putting changes back.
     *
     * @param requeued the number of changes that will be written again
     * @param empty the number of entries without a change, which stay in the dead stream
     */
    public record Requeued(long requeued, long empty) {}

    private DeadChanges(RedisConnector connector) throws IOException {
        this.connector = connector;
        this.keys = new SessionKeys(connector.tag());
        this.redis = answer(connector, connector.connect(StringCodec.UTF8)).async();
    }

    /** Connects and logs in. */
    public static DeadChanges connect(RedisConfig config) throws IOException {
        RedisConnector connector = new RedisConnector(config);
        try {
            return new DeadChanges(connector);
        } catch (IOException e) {
            connector.close();
            throw e;
        }
    }

    /** Returns whether a text has the form of the id of an entry. */
    public static boolean isEntry(String text) {
        return ENTRY.matcher(text).matches();
    }

    /** Passes all changes on, oldest first. */
    public void forEach(Consumer<DeadChange> consumer) throws IOException {
        Boundary<String> after = Boundary.unbounded();
        while (true) {
            List<StreamMessage<String, String>> page = answer(
                    connector, redis.xrange(keys.dead(), Range.from(after, Boundary.unbounded()), Limit.from(AT_ONCE)));
            if (page.isEmpty()) {
                return;
            }
            for (StreamMessage<String, String> each : page) {
                Map<String, String> fields = each.getBody();
                consumer.accept(new DeadChange(
                        each.getId(),
                        fields.get("id"),
                        fields.get("version"),
                        fields.get("kind"),
                        Instant.ofEpochMilli(Long.parseLong(
                                each.getId().substring(0, each.getId().indexOf('-')))),
                        fields.get("error")));
            }
            after = Boundary.excluding(page.get(page.size() - 1).getId());
        }
    }

    /** Puts changes back into the stream of changes, so that a backend writes them to Postgres again. */
    public Requeued requeue(List<String> entries) throws IOException {
        long requeued = 0;
        long empty = 0;
        for (int from = 0; from < entries.size(); from += AT_ONCE) {
            String[] arguments = Stream.concat(
                            Stream.of("requeue", "", "0"),
                            entries.subList(from, Math.min(entries.size(), from + AT_ONCE)).stream())
                    .toArray(String[]::new);
            List<Object> reply = answer(
                    connector,
                    redis.<List<Object>>eval(
                            SessionScript.BYTES, ScriptOutputType.MULTI, keys.of("requeue"), arguments));
            requeued += Long.parseLong((String) reply.get(1));
            empty += Long.parseLong((String) reply.get(2));
        }
        return new Requeued(requeued, empty);
    }

    private static <T> T answer(RedisConnector connector, CompletionStage<T> call) throws IOException {
        try {
            return call.toCompletableFuture().join();
        } catch (CompletionException e) {
            throw new IOException(connector.unavailable(e).getMessage(), e);
        }
    }

    @Override
    public void close() {
        connector.close();
    }
}
