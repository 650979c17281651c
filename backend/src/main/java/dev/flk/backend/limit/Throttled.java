// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.limit;

import dev.flk.backend.metrics.Meters.LimitedBy;
import java.util.concurrent.TimeUnit;

/**
 * A throttled submission.
 *
 * @param limit that it exceeds
 * @param waitNanos until a retry can succeed, above 0
 */
public record Throttled(LimitedBy limit, long waitNanos) {

    /** The same in whole seconds for {@code Retry-After}: rounded up, ignoring fractions of a millisecond. */
    public long waitSeconds() {
        long millis = TimeUnit.NANOSECONDS.toMillis(waitNanos);
        return Math.max(1, (millis + 999) / 1000);
    }
}
