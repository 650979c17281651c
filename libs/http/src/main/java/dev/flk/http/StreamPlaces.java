// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import dev.flk.http.EventStream.CloseReason;
import java.util.HashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The places of the open streams of one kind. If all are taken, a new stream takes the place of the stream whose client
 * has read nothing for the longest time, so that clients that stop reading keep nobody out. If every client reads, the
 * new stream is refused. Safe for any thread.
 */
public final class StreamPlaces {
    private final int most;
    /** The streams that have a place. Guarded by this object. */
    private final Set<EventStream> taken = new HashSet<>();

    /** @param most the maximum number of open streams */
    public StreamPlaces(int most) {
        this.most = most;
    }

    /** Gives a place to a stream that is about to open; returns false if no place is available. */
    boolean take(EventStream opening) {
        EventStream slowest = null;
        synchronized (this) {
            if (taken.size() >= most) {
                slowest = slowest();
                if (slowest == null) {
                    return false;
                }
                taken.remove(slowest);
            }
            taken.add(opening);
        }
        if (slowest != null) {
            slowest.countSlowClient();
            slowest.close(CloseReason.TOO_SLOW);
        }
        return true;
    }

    private @Nullable EventStream slowest() {
        EventStream slowest = null;
        long longest = Connection.SLOW_NANOS;
        for (EventStream each : taken) {
            long nanos = each.unreadNanos();
            if (nanos > longest) {
                longest = nanos;
                slowest = each;
            }
        }
        return slowest;
    }

    /** Gives the place of a stream back, unless another stream has taken it. */
    synchronized void giveBack(EventStream closed) {
        taken.remove(closed);
    }

    /** Returns the number of open streams. */
    synchronized int held() {
        return taken.size();
    }
}
