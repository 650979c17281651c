// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.control;

import java.util.concurrent.atomic.AtomicLong;

/** What the bodies of all local requests may take together, in bytes. Any thread. */
final class BodyRoom {
    private final long most;
    private final AtomicLong taken = new AtomicLong();

    BodyRoom(long most) {
        this.most = most;
    }

    /** Takes room; false if there is none. */
    boolean take(long bytes) {
        if (taken.addAndGet(bytes) > most) {
            taken.addAndGet(-bytes);
            return false;
        }
        return true;
    }

    void give(long bytes) {
        taken.addAndGet(-bytes);
    }
}
