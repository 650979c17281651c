// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup.redis;

import dev.flk.backend.config.StorageConfig;
import dev.flk.backend.dedup.DedupStore;
import dev.flk.backend.dedup.StoredOutcome;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;

/**
 * Outcomes in Redis, under the keys that {@link Keys} names. A group is one script call, which takes effect only if the position
 * entry of this backend is the one that it wrote last; a look-up reads that entry too. What an acknowledged call leaves is as
 * durable as the server's own settings make it.
 *
 * <p>After any failure everything fails, with the same reason, until {@link #connect}. Nothing is sent twice. Every stage is
 * completed within the time-out of a call; those of an answered call all on one thread, {@code redis-answers}, which may call in
 * again, but keeps every other answer waiting while it does more.
 */
public final class RedisStore implements DedupStore {
    private static final int INCARNATION_BYTES = 8;
    private static final String CLOSED = "is not used any more: the store was closed";

    private final RedisConnector connector;
    private final String logId;
    private final InstantSource clock;
    private final ScheduledThreadPoolExecutor answers;
    private final SecureRandom random = new SecureRandom();

    private volatile RedisSession session;

    // guarded by this
    private boolean closed;

    private RedisStore(RedisConnector connector, String logId, InstantSource clock) {
        this.connector = connector;
        this.logId = logId;
        this.clock = clock;
        this.answers = new ScheduledThreadPoolExecutor(1, task -> {
            Thread thread = new Thread(task, "redis-answers");
            thread.setDaemon(true);
            return thread;
        });
        answers.setRemoveOnCancelPolicy(true);
        this.session = newSession();
        session.fail("was not connected to yet");
    }

    /**
     * A store that was not connected yet; opens no connection.
     *
     * @param logId tells this backend's log from every other that uses the same server
     * @param clock by which outcomes expire
     * @throws IllegalArgumentException if the URI is none that the client understands
     */
    public static RedisStore open(StorageConfig.Redis config, String logId, InstantSource clock) {
        return new RedisStore(new RedisConnector(config), logId, clock);
    }

    private RedisSession newSession() {
        return new RedisSession(connector, logId, clock, answers);
    }

    /** Returns at once; the stage ends within a few times the time-out of a call and some seconds. */
    @Override
    public CompletionStage<OptionalLong> connect() {
        RedisSession earlier;
        RedisSession next = newSession();
        synchronized (this) {
            if (closed) {
                return CompletableFuture.failedFuture(connector.unavailable(CLOSED));
            }
            earlier = session;
            session = next;
        }
        earlier.fail("is being connected again; calls that were outstanding have an unknown effect");
        byte[] incarnation = new byte[INCARNATION_BYTES];
        random.nextBytes(incarnation);
        try {
            return next.open(HexFormat.of().formatHex(incarnation));
        } catch (RejectedExecutionException e) {
            return CompletableFuture.failedFuture(connector.unavailable(CLOSED));
        }
    }

    @Override
    public CompletionStage<List<Optional<StoredOutcome>>> get(List<PcsId> ids) {
        return session.get(ids);
    }

    /**
     * A long list becomes several script calls, each with the same mark: it holds before the first of them. An outcome that has
     * expired is not sent.
     */
    @Override
    public CompletionStage<List<StoredOutcome>> putIfAbsent(List<StoredOutcome> decisions, long completeUpTo) {
        return session.put(decisions, completeUpTo);
    }

    @Override
    public CompletionStage<Boolean> knowsEvidence(PcsId id, ContentDigest digest) {
        return session.isNoted(Keys.evidence(id, digest));
    }

    @Override
    public CompletionStage<Boolean> noteEvidence(PcsId id, ContentDigest digest, long expiresAtMillis) {
        return session.note(Keys.evidence(id, digest), expiresAtMillis);
    }

    /** Fails what is outstanding and ends the client's threads; takes no longer than a few seconds. */
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
