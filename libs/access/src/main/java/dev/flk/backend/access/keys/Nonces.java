// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.keys;

import java.util.HashSet;
import java.util.Set;

/**
 * The nonces of recent signatures, so that each signature is accepted once. A signature is accepted only if its {@code
 * created} differs from the current time by at most a fixed time, so the nonces of older signatures can be forgotten.
 * Bounded; safe for any thread.
 */
public final class Nonces {
    private final long maxAgeSeconds;
    private final long startSecond;
    private final int most;

    // guarded by this
    private Set<Nonce> current = new HashSet<>();
    private Set<Nonce> previous = new HashSet<>();
    private long currentSinceSecond;

    /** The result of offering a nonce. */
    public enum Result {
        NEW,
        USED,
        /**
         * The signature was made too far in the future, or so long ago that this process can't know whether its nonce
         * was used before.
         */
        OUTSIDE_WINDOW,
        /** The current generation of nonces is full. */
        FULL
    }

    private record Nonce(String keyId, String nonce) {}

    /**
     * @param maxAgeSeconds the greatest distance of {@code created} from now
     * @param nowSecond the time of the start in seconds since the epoch. Signatures that were made earlier are not
     *     accepted, because they may have been used before this process started
     * @param most the maximum number of nonces in a generation, which is a period of time; the nonces of the current
     *     and the previous generation are remembered
     */
    public Nonces(long maxAgeSeconds, long nowSecond, int most) {
        this.maxAgeSeconds = maxAgeSeconds;
        this.startSecond = nowSecond;
        this.currentSinceSecond = nowSecond;
        this.most = most;
    }

    /** Remembers the nonce of a valid signature that was made at {@code createdSecond}. */
    public synchronized Result offer(String keyId, String nonce, long createdSecond, long nowSecond) {
        if (createdSecond < startSecond || Math.abs(nowSecond - createdSecond) > maxAgeSeconds) {
            return Result.OUTSIDE_WINDOW;
        }
        // a nonce matters for twice the maximum age, because created may be up to the maximum age ahead of or behind
        // the current time
        long generationSeconds = 2 * maxAgeSeconds + 1;
        if (nowSecond - currentSinceSecond >= generationSeconds) {
            previous = nowSecond - currentSinceSecond >= 2 * generationSeconds ? new HashSet<>() : current;
            current = new HashSet<>();
            currentSinceSecond = nowSecond;
        }
        Nonce given = new Nonce(keyId, nonce);
        if (previous.contains(given) || current.contains(given)) {
            return Result.USED;
        }
        if (current.size() >= most) {
            return Result.FULL;
        }
        current.add(given);
        return Result.NEW;
    }
}
