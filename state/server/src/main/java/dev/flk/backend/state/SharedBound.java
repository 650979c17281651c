// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import java.util.HashMap;
import java.util.Map;

/**
 * A bound on bytes that callers share: each caller with a token may hold at most half of it, so that no token takes the
 * room of the others. Safe for any thread.
 */
final class SharedBound {
    private final long most;
    // guarded by this
    private final Map<String, Long> ofCallers = new HashMap<>();
    private long held;

    SharedBound(long most) {
        this.most = most;
    }

    /** Returns the part of {@code most} that a caller may hold. */
    static long share(Caller caller, long most) {
        return caller.name().isEmpty() ? most : most / 2;
    }

    /** Takes {@code bytes}, which may be negative to give some back; returns whether there was room for them. */
    synchronized boolean take(Caller caller, long bytes) {
        long own = ofCallers.getOrDefault(caller.name(), 0L) + bytes;
        if (bytes > 0 && (held + bytes > most || own > share(caller, most))) {
            return false;
        }
        held += bytes;
        if (own == 0) {
            ofCallers.remove(caller.name());
        } else {
            ofCallers.put(caller.name(), own);
        }
        return true;
    }

    void giveBack(Caller caller, long bytes) {
        boolean unused = take(caller, -bytes);
    }

    /**
     * Returns whether a caller holds more than its share of a lower bound than this one; without a token, whether all
     * callers together hold more than that bound. What another token holds is no reason to refuse a caller with a token.
     */
    synchronized boolean exceeds(Caller caller, long lower) {
        return caller.name().isEmpty()
                ? held > lower
                : ofCallers.getOrDefault(caller.name(), 0L) > share(caller, lower);
    }
}
