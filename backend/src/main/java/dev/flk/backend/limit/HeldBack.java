// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.limit;

import dev.flk.backend.metrics.LimitedBy;
import java.util.concurrent.TimeUnit;

/**
 * A submission that is not taken now.
 *
 * @param limit that it exceeds
 * @param waitNanos until it is worth to try again, above 0
 */
public record HeldBack(LimitedBy limit, long waitNanos) {

    /** The same in whole seconds for {@code Retry-After}: rounded up, but for less than a millisecond, which no client's clock tells apart. */
    public long waitSeconds() {
        long millis = TimeUnit.NANOSECONDS.toMillis(waitNanos);
        return Math.max(1, (millis + 999) / 1000);
    }
}
