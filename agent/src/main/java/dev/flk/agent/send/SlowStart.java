// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

/**
 * How many certificates may wait for an answer of one endpoint: a batch at first, one after an outage, twice as many with every answer, half
 * when it says that it can't take more. So the agents that come back together after an outage do not knock their backend over. One
 * thread.
 */
final class SlowStart {
    private final int most;
    private int now;

    SlowStart(int first, int most) {
        this.most = most;
        this.now = Math.min(first, most);
    }

    int window() {
        return now;
    }

    /** An answer that recorded something. */
    void answered() {
        now = (int) Math.min(most, 2L * now);
    }

    /** An answer that asks for less. */
    void refused() {
        now = Math.max(1, now / 2);
    }

    /** No answer. */
    void outage() {
        now = 1;
    }
}
