// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.redis;

import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.outcomes.WriteMark;
import dev.flk.backend.outcomes.redis.Keys.Position;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.backend.stores.redis.RedisConnector;
import dev.flk.backend.stores.redis.RedisFailures;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import dev.flk.program.cli.Printable;
import io.lettuce.core.KeyValue;
import io.lettuce.core.RedisChannelHandler;
import io.lettuce.core.RedisConnectionStateListener;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.SetArgs;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.api.async.RedisAsyncCommands;
import java.nio.charset.StandardCharsets;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One connection to the server. The connection ends with its first failure.
 *
 * <p>Calls are pipelined. Each put expects the position entry that the previous put writes. Therefore, puts are sent
 * under the lock of this object, and the server receives them in the order of their positions. This order holds only
 * because no stage completes on a thread of Lettuce: calls sent from such a thread would overtake calls of other
 * threads.
 */
final class RedisConnection {
    private static final long CLOSE_SECONDS = 2;
    private static final int MOST_SHOWN_CHARS = 80;

    /** A script that replaces a value with another one, unless it has changed, and keeps its time to live. */
    private static final byte[] ADOPT = """
            if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
            redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
            return 1
            """.getBytes(StandardCharsets.US_ASCII);

    private final RedisConnector connector;
    private final String logId;
    private final Keys keys;
    private final String positionKey;
    private final InstantSource clock;
    private final ScheduledExecutorService answers;
    private volatile @Nullable StoreUnavailableException failure;

    // guarded by this
    private @Nullable StatefulRedisConnection<String, byte[]> connection;
    private @Nullable CompletableFuture<Void> disconnected;
    private @Nullable Position sent;
    private @Nullable Position acknowledged;

    /** @param answers the one thread on which the stages of answered calls complete */
    RedisConnection(RedisConnector connector, String logId, InstantSource clock, ScheduledExecutorService answers) {
        this.connector = connector;
        this.logId = logId;
        this.keys = new Keys(connector.prefix());
        this.positionKey = keys.position(logId);
        this.clock = clock;
        this.answers = answers;
    }

    /**
     * Connects, reads the position entry, and writes it again with the mark {@code first}. The write shows whether the
     * server accepts writes. It also makes the server refuse any put that an earlier connection still has in flight.
     *
     * @return the sequence in the entry; empty if the entry is missing or contains no sequence
     */
    CompletionStage<OptionalLong> open(WriteMark first) {
        long withinMillis = connector.connectWithin().toMillis();
        CompletableFuture<OptionalLong> opened = new CompletableFuture<>();
        Future<?> deadline = answers.schedule(
                () -> opened.completeExceptionally(fail(
                        "could not be connected within " + withinMillis + "ms; it answers too slowly (DEDUP_TIMEOUT)")),
                withinMillis,
                TimeUnit.MILLISECONDS);
        // reads several keys, as later calls do, so that a Redis Cluster refuses here and not at the first certificate
        ask(connector::connect, this::use)
                .thenCompose(redis -> ask(
                                () -> redis.mget(keys.withProbes(positionKey)),
                                reply -> text(reply.get(0).getValueOrElse(new byte[0])))
                        .thenCompose(held -> claim(redis, held, first))
                        .thenApply(completeUpTo -> {
                            connector.warnOfSettings(redis);
                            return completeUpTo;
                        }))
                .whenComplete((completeUpTo, failed) -> {
                    deadline.cancel(false);
                    if (failed == null) {
                        opened.complete(completeUpTo);
                    } else {
                        opened.completeExceptionally(fail(connector.unavailable(failed)));
                    }
                });
        return opened;
    }

    /**
     * Makes a call, and reads its reply on the thread of {@code answers}. The first failure also fails all other calls,
     * because they may depend on the failed call, whose effect is unknown. An {@link IllegalArgumentException} that
     * {@code read} throws fails only this call.
     */
    private <R, T> CompletionStage<T> ask(Supplier<CompletionStage<R>> call, Function<R, T> read) {
        CompletionStage<R> asked;
        try {
            asked = call.get();
        } catch (RuntimeException e) {
            return CompletableFuture.failedFuture(fail(connector.unavailable(e)));
        }
        return asked.handleAsync(
                (reply, failed) -> {
                    if (failed != null) {
                        throw fail(connector.unavailable(failed));
                    }
                    T result;
                    try {
                        // also after a failure: a connection that comes too late must be closed
                        result = read.apply(reply);
                    } catch (IllegalArgumentException e) {
                        throw connector.unavailable(e);
                    } catch (RuntimeException e) {
                        throw fail(connector.unavailable(e));
                    }
                    StoreUnavailableException earlier = failure;
                    if (earlier != null) {
                        throw earlier;
                    }
                    return result;
                },
                answers);
    }

    private RedisAsyncCommands<String, byte[]> use(StatefulRedisConnection<String, byte[]> connected) {
        connected.addListener(new RedisConnectionStateListener() {
            @Override
            public void onRedisDisconnected(RedisChannelHandler<?, ?> gone) {
                fail(RedisFailures.DISCONNECTED);
            }
        });
        synchronized (this) {
            connection = connected;
        }
        if (failure != null) {
            disconnect(); // this object failed before Lettuce had connected, for example at the deadline
        }
        return connected.async();
    }

    private synchronized void disconnect() {
        if (connection != null && disconnected == null) {
            disconnected = connection.closeAsync();
        }
    }

    /** Waits for a bounded time until the network connection is closed, if this connection has ended. */
    void awaitDisconnected() {
        CompletableFuture<Void> closing;
        synchronized (this) {
            closing = disconnected;
        }
        if (closing != null) {
            closing.completeOnTimeout(null, CLOSE_SECONDS, TimeUnit.SECONDS)
                    .exceptionally(broken -> null)
                    .join();
        }
    }

    private CompletionStage<OptionalLong> claim(
            RedisAsyncCommands<String, byte[]> redis, String held, WriteMark first) {
        OptionalLong completeUpTo =
                held.isEmpty() ? OptionalLong.empty() : parsed(held).completeUpTo();
        PutCall nothing = PutCall.of(List.of(), logId, clock.millis()).get(0);
        return put(redis, nothing, held, new Position(completeUpTo, first)).thenApply(none -> completeUpTo);
    }

    private Position parsed(String held) {
        return Position.parse(held)
                .orElseThrow(() -> connector.unavailable("holds '" + shown(held) + "' under " + positionKey
                        + ", which is not a position; find out which client writes it, then DEL it"));
    }

    /** Implements {@link RedisStore#putIfAbsent}. */
    CompletionStage<List<StoredOutcome>> put(List<StoredOutcome> decisions, long completeUpTo) {
        long now = clock.millis();
        List<Integer> kept = new ArrayList<>(decisions.size());
        for (int i = 0; i < decisions.size(); i++) {
            if (!decisions.get(i).isExpired(now)) { // the server rejects a time to live of zero
                kept.add(i);
            }
        }
        List<CompletionStage<List<StoredOutcome>>> parts = new ArrayList<>();
        List<PutCall> batches = PutCall.of(kept.stream().map(decisions::get).toList(), logId, now);
        synchronized (this) {
            Position last = sent;
            if (connection == null || last == null) {
                return refused();
            }
            for (PutCall batch : batches) {
                Position next = last.next(completeUpTo);
                parts.add(put(connection.async(), batch, last.text(), next));
                last = next;
            }
        }
        CompletionStage<List<StoredOutcome>> recorded = CompletableFuture.completedStage(new ArrayList<>(kept.size()));
        for (CompletionStage<List<StoredOutcome>> part : parts) {
            recorded = recorded.thenCombine(part, (before, more) -> {
                before.addAll(more);
                return before;
            });
        }
        return recorded.thenApply(ofKept -> {
            List<StoredOutcome> existing = new ArrayList<>(decisions);
            for (int i = 0; i < ofKept.size(); i++) {
                existing.set(kept.get(i), ofKept.get(i));
            }
            return existing;
        });
    }

    private synchronized CompletionStage<List<StoredOutcome>> put(
            RedisAsyncCommands<String, byte[]> redis, PutCall batch, String expected, Position next) {
        sent = next;
        return ask(() -> batch.send(redis, keys, positionKey, expected, next.text()), reply -> {
            Optional<String> held = PutCall.refusedFor(reply);
            if (held.isPresent()) {
                throw lost(held.get(), expected);
            }
            synchronized (this) {
                acknowledged = next;
            }
            try {
                return batch.existing(keys, reply);
            } catch (IllegalArgumentException e) {
                throw connector.unavailable(e);
            }
        });
    }

    /** Implements {@link RedisStore#get}. */
    CompletionStage<List<Optional<StoredOutcome>>> get(List<PcsId> ids) {
        long now = clock.millis();
        return read(ids.stream().map(keys::outcome).toList(), values -> {
            List<Optional<StoredOutcome>> found = new ArrayList<>(ids.size());
            for (int i = 0; i < ids.size(); i++) {
                byte[] value = values.get(i);
                found.add(
                        value == null
                                ? Optional.empty()
                                : Optional.of(this.keys.outcome(ids.get(i), value))
                                        .filter(recorded -> !recorded.isExpired(now)));
            }
            return found;
        });
    }

    /** Implements {@link RedisStore#knowsEvidence}. */
    CompletionStage<Boolean> isNoted(PcsId id, ContentDigest digest) {
        long now = clock.millis();
        return read(List.of(keys.evidence(id, digest)), values -> {
            String expiry = text(values.get(0));
            return !expiry.isEmpty() && Long.parseLong(expiry) > now;
        });
    }

    /** Writes a note of evidence, unless the note would already have expired. */
    synchronized CompletionStage<Boolean> note(PcsId id, ContentDigest digest, long expiresAtMillis) {
        if (connection == null || sent == null) {
            return refused();
        }
        RedisAsyncCommands<String, byte[]> redis = connection.async();
        long millisToLive = expiresAtMillis - clock.millis();
        byte[] value = Long.toString(expiresAtMillis).getBytes(StandardCharsets.US_ASCII);
        return millisToLive <= 0
                ? CompletableFuture.completedFuture(true)
                : ask(
                        () -> redis.set(keys.evidence(id, digest), value, SetArgs.Builder.px(millisToLive)),
                        done -> true);
    }

    /** Implements {@link RedisStore#adopt}. */
    synchronized CompletionStage<Boolean> adopt(StoredOutcome existing) {
        if (connection == null || sent == null) {
            return refused();
        }
        RedisAsyncCommands<String, byte[]> redis = connection.async();
        return ask(
                () -> redis.<Long>eval(
                        ADOPT,
                        ScriptOutputType.INTEGER,
                        new String[] {this.keys.outcome(existing.id())},
                        existing.encode(existing.logId()),
                        existing.encode(logId)),
                done -> done == 1);
    }

    /**
     * Reads keys together with the position entry. The entry shows whether the server has lost data. Without the entry,
     * a lost value would look like a key that was never written.
     */
    private synchronized <T> CompletionStage<T> read(List<String> keys, Function<List<byte @Nullable []>, T> read) {
        Position least = acknowledged;
        if (connection == null || least == null) {
            return refused();
        }
        List<String> all = new ArrayList<>(keys.size() + 1);
        all.add(positionKey);
        all.addAll(keys);
        RedisAsyncCommands<String, byte[]> redis = connection.async();
        return ask(() -> redis.mget(all.toArray(String[]::new)), (List<KeyValue<String, byte[]>> reply) -> {
            List<byte @Nullable []> values = new ArrayList<>(reply.size());
            for (KeyValue<String, byte[]> found : reply) {
                values.add(found.hasValue() ? found.getValue() : null);
            }
            String held = text(values.remove(0));
            if (Position.parse(held)
                    .map(Position::mark)
                    .filter(least.mark()::isReachedBy)
                    .isEmpty()) {
                throw lost(held, least.text());
            }
            return read.apply(values);
        });
    }

    /**
     * Ends this connection like {@link #fail(StoreUnavailableException)}, for a reason that the store itself detected.
     */
    StoreUnavailableException fail(String what) {
        return fail(connector.unavailable(what));
    }

    /**
     * Ends this connection: fails all further calls, and closes the network connection, which fails the outstanding
     * calls. Does nothing if this connection has already ended. Returns the reason of the first failure.
     */
    private StoreUnavailableException fail(StoreUnavailableException reason) {
        synchronized (this) {
            if (failure != null) {
                return failure;
            }
            failure = reason;
        }
        disconnect();
        return reason;
    }

    private <T> CompletionStage<T> refused() {
        StoreUnavailableException reason = failure;
        return CompletableFuture.failedFuture(reason == null ? connector.unavailable("is not connected yet") : reason);
    }

    private StoreUnavailableException lost(String held, String expected) {
        return connector.unavailable(
                ("has %s under %s, but this backend last wrote '%s': the server was emptied, restored from "
                                + "an older copy or failed over, or another process uses the same log")
                        .formatted(
                                held.isEmpty() ? "no position" : "the position '" + shown(held) + "'",
                                positionKey,
                                expected));
    }

    /** Returns the beginning of a text, which another client may have written, in a form that a message may contain. */
    private static String shown(String held) {
        return Printable.of(held.length() <= MOST_SHOWN_CHARS ? held : held.substring(0, MOST_SHOWN_CHARS) + "…");
    }

    private static String text(byte @Nullable [] value) {
        return value == null ? "" : new String(value, StandardCharsets.UTF_8);
    }
}
