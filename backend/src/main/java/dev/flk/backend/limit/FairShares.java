// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.limit;

import java.util.concurrent.atomic.AtomicLongArray;

/**
 * Who may have what is left in the bucket of all. While half of it is there, everybody may. Below, an account may have more if what it took
 * lately, as a part of all that could be taken, is not above twice the part of the bucket that is left: so who took most is held back
 * first, those who want more than there is come to take the same each, whoever wants less than that gets it, and nothing is kept
 * back from the last who wants something (a dynamic threshold, as in Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory
 * packet switches", 1998).
 *
 * <p>What was taken lately fades: a token counts 1/e after the time in which the bucket fills, at least a second. There is a fixed
 * number of places, found by a hash with a secret; two accounts in one place, which are rare, count as one. Lock-free, safe for any thread, and takes no
 * memory for anybody.
 */
final class FairShares {
    /** The account of all that was sent before, whoever signed it and whoever sends it again. */
    static final int KNOWN = 0;

    static final int NOBODY = -1;

    private static final int PLACES = 1 << 16;
    /** An account with less than this is quiet. */
    private static final double QUIET_TOKENS = 0.5;
    /** What nobody ever used. */
    private static final long NEVER = Long.MIN_VALUE / 4;

    private static final long STEP = 0x9E37_79B9_7F4A_7C15L;

    private final long startNanos;
    private final long secret;
    private final double tokensPerNano;
    private final double burstTokens;
    private final double windowNanos;
    /** What could be taken in that time. */
    private final double windowTokens;

    /** By account: the time, since the start, at which what it took lately has faded to one token. */
    private final AtomicLongArray fadedToOne = new AtomicLongArray(PLACES);

    /** The address that took the last token, about when, and when two of them took turns last; since the start. */
    private volatile long lastNetwork;

    private volatile long lastNanos = NEVER;
    private volatile long severalNanos = NEVER;

    FairShares(double tokensPerSecond, long burstTokens, long nowNanos, long secret) {
        this.startNanos = nowNanos;
        this.secret = secret;
        this.tokensPerNano = tokensPerSecond / 1e9;
        this.burstTokens = burstTokens;
        this.windowTokens = Math.max((double) burstTokens, tokensPerSecond);
        this.windowNanos = windowTokens / tokensPerNano;
        for (int place = 0; place < PLACES; place++) {
            fadedToOne.setPlain(place, NEVER);
        }
    }

    /** Of a shard; never {@link #KNOWN}. */
    int account(String shardId) {
        long hash = secret;
        for (int i = 0; i < shardId.length(); i++) {
            hash = (hash ^ shardId.charAt(i)) * STEP;
            hash ^= hash >>> 29;
        }
        return 1 + (int) Long.remainderUnsigned(hash, PLACES - 1);
    }

    /** What it took lately, in tokens. */
    double lately(int account, long nowNanos) {
        return Math.exp((fadedToOne.get(account) - (nowNanos - startNanos)) / windowNanos);
    }

    /** The same for a second. */
    double perSecond(int account, long nowNanos) {
        return lately(account, nowNanos) / windowNanos * 1e9;
    }

    /**
     * Whether the account has had its share.
     *
     * @param network from which it comes; while no other takes anything there is nothing to share
     * @param leftTokens in the bucket of all, with the one that it wants
     * @param isImpatient whether it was told to wait, and does not: then it leaves something also if it is alone
     */
    boolean isOver(int account, long network, long leftTokens, long nowNanos, boolean isImpatient) {
        if (2.0 * leftTokens >= burstTokens) {
            return false;
        }
        double lately = lately(account, nowNanos);
        return lately >= 1
                && lately * burstTokens > 2.0 * leftTokens * windowTokens
                && (isImpatient || hasOthers(network, nowNanos));
    }

    /** When it will not be over any more, if nobody takes anything meanwhile; in nanoseconds. */
    long waitNanos(int account, long leftTokens, long nowNanos) {
        double mayHave = Math.max(1, 2.0 * leftTokens * windowTokens / burstTokens);
        double untilFaded = windowNanos * Math.log(Math.max(1, lately(account, nowNanos) / mayHave));
        double untilHalf = Math.max(0, burstTokens / 2 - leftTokens) / tokensPerNano;
        return Math.max(1, (long) Math.min(untilFaded, untilHalf));
    }

    /** It takes a token. */
    void charge(int account, long network, long nowNanos) {
        long now = nowNanos - startNanos;
        long before;
        long after;
        do {
            before = fadedToOne.get(account);
            after = now + (long) (windowNanos * Math.log1p(Math.exp((before - now) / windowNanos)));
        } while (!fadedToOne.compareAndSet(account, before, after));
        boolean isRecent = now - lastNanos < windowNanos;
        if (network != lastNetwork) {
            if (isRecent) {
                severalNanos = now;
            }
            lastNetwork = network;
            lastNanos = now;
        } else if (now - lastNanos > windowNanos / 16) { // as exact as need be, and seldom written
            lastNanos = now;
        }
    }

    private boolean hasOthers(long network, long nowNanos) {
        long now = nowNanos - startNanos;
        return now - severalNanos < windowNanos || (network != lastNetwork && now - lastNanos < windowNanos);
    }

    /** How many accounts took something lately. */
    int active(long nowNanos) {
        int active = 0;
        for (int place = 0; place < PLACES; place++) {
            active += lately(place, nowNanos) >= QUIET_TOKENS ? 1 : 0;
        }
        return active;
    }
}
