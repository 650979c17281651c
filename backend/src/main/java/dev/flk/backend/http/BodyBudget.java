// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import java.util.concurrent.atomic.AtomicLong;

/**
 * How many bytes all bodies together may take that are being read or waiting for their answers: without it, many slow
 * uploads would fill the heap. Safe for any thread.
 */
final class BodyBudget {
    private final AtomicLong leftBytes;

    BodyBudget(long bytes) {
        this.leftBytes = new AtomicLong(bytes);
    }

    /** Takes {@code bytes} if as many are left. */
    boolean take(int bytes) {
        if (leftBytes.addAndGet(-bytes) >= 0) {
            return true;
        }
        leftBytes.addAndGet(bytes);
        return false;
    }

    void giveBack(int bytes) {
        leftBytes.addAndGet(bytes);
    }
}
