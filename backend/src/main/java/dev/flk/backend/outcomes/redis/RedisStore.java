// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.redis;

import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.outcomes.DedupStore;
import dev.flk.backend.outcomes.WriteMark;
import dev.flk.backend.outcomes.redis.Keys.Position;
import dev.flk.backend.stores.redis.RedisConfig;
import dev.flk.backend.stores.redis.RedisConnector;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import dev.flk.program.time.DaemonThreads;
import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;

/**
 * Outcomes in Redis, under the keys in {@link Keys}. A put is a script call, which takes effect only if the position
 * entry of this backend is still the entry that the backend wrote last. A look-up checks that entry as well. The
 * server's settings determine how durable an acknowledged call is.
 *
 * <p>After any failure, every call fails with the same reason until {@link #connect}. The only exception is a look-up
 * that reads an invalid stored value: only this look-up fails. Nothing is sent twice. The stage of every call except
 * {@code connect} completes within the time-out of a call. The stages of answered calls all complete on one thread,
 * {@code redis-answers}; a callback there may call the store again, but all other answers wait while it runs.
 */
public final class RedisStore implements DedupStore {
    private static final String CLOSED = "is not used any more: the store was closed";

    private final RedisConnector connector;
    private final String logId;
    private final InstantSource clock;
    private final ScheduledThreadPoolExecutor answers;
    private final SecureRandom random = new SecureRandom();

    private volatile RedisConnection session;

    // guarded by this
    private boolean closed;

    private RedisStore(RedisConnector connector, String logId, InstantSource clock) {
        this.connector = connector;
        this.logId = logId;
        this.clock = clock;
        this.answers = new ScheduledThreadPoolExecutor(1, DaemonThreads.named("redis-answers"));
        answers.setRemoveOnCancelPolicy(true);
        this.session = newSession();
        session.fail("has not been connected yet");
    }

    /**
     * Creates a store that is not connected; opens no connection.
     *
     * @param logId the id of this backend's log, which distinguishes the log from others on the same server
     * @param clock the clock by which outcomes expire
     * @throws IllegalArgumentException if Lettuce can't parse the URI, or the key store of the JVM can't be read
     */
    public static RedisStore open(RedisConfig config, String logId, InstantSource clock) {
        return new RedisStore(new RedisConnector(config), logId, clock);
    }

    private RedisConnection newSession() {
        return new RedisConnection(connector, logId, clock, answers);
    }

    /** Returns immediately; the stage completes within {@link RedisConnector#connectWithin}. */
    @Override
    public CompletionStage<OptionalLong> connect() {
        RedisConnection earlier;
        RedisConnection next = newSession();
        synchronized (this) {
            if (closed) {
                return CompletableFuture.failedFuture(connector.unavailable(CLOSED));
            }
            earlier = session;
            session = next;
        }
        earlier.fail("is being connected again; calls that were outstanding have an unknown effect");
        try {
            return next.open(WriteMark.drawn(random, Position.INCARNATION_BYTES));
        } catch (RejectedExecutionException e) {
            return CompletableFuture.failedFuture(connector.unavailable(CLOSED));
        }
    }

    @Override
    public CompletionStage<List<Optional<StoredOutcome>>> get(List<PcsId> ids) {
        return session.get(ids);
    }

    /**
     * Records outcomes; expired outcomes are not sent. A long list becomes several script calls with the same low-water
     * mark; this is safe, because the mark covers only outcomes that were recorded before.
     */
    @Override
    public CompletionStage<List<StoredOutcome>> putIfAbsent(List<StoredOutcome> decisions, long completeUpTo) {
        return session.put(decisions, completeUpTo);
    }

    @Override
    public CompletionStage<Boolean> knowsEvidence(PcsId id, ContentDigest digest) {
        return session.isNoted(id, digest);
    }

    @Override
    public CompletionStage<Boolean> noteEvidence(PcsId id, ContentDigest digest, long expiresAtMillis) {
        return session.note(id, digest, expiresAtMillis);
    }

    @Override
    public CompletionStage<Boolean> adopt(StoredOutcome existing) {
        return session.adopt(existing);
    }

    /** Fails the outstanding calls and ends Lettuce's threads. Waits at most ten seconds for the threads to end. */
    @Override
    public void close() {
        synchronized (this) {
            if (closed) {
                return;
            }
            closed = true;
        }
        session.fail(CLOSED);
        session.awaitDisconnected();
        connector.close();
        answers.shutdown();
    }
}
