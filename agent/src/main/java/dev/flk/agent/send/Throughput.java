// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import java.util.concurrent.TimeUnit;

/** How many certificates a second were settled within the last minute. One thread. */
final class Throughput {
    private static final int SLOTS = 12;
    private static final long SLOT_NANOS = TimeUnit.SECONDS.toNanos(5);

    private final long[] counts = new long[SLOTS];
    private final long startSlot;
    private long lastSlot;

    /** @param nowNanos on a ticker that starts near 0 and never goes back */
    Throughput(long nowNanos) {
        startSlot = nowNanos / SLOT_NANOS;
        lastSlot = startSlot;
    }

    void settled(int certificates, long nowNanos) {
        advance(nowNanos);
        counts[(int) (lastSlot % SLOTS)] += certificates;
    }

    double aSecond(long nowNanos) {
        advance(nowNanos);
        long sum = 0;
        for (long count : counts) {
            sum += count;
        }
        long slots = Math.min(SLOTS, lastSlot - startSlot + 1);
        return sum / (slots * (double) TimeUnit.NANOSECONDS.toSeconds(SLOT_NANOS));
    }

    private void advance(long nowNanos) {
        long slot = nowNanos / SLOT_NANOS;
        for (long i = Math.max(lastSlot + 1, slot - SLOTS + 1); i <= slot; i++) {
            counts[(int) (i % SLOTS)] = 0;
        }
        lastSlot = Math.max(lastSlot, slot);
    }
}
