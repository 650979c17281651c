// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.time;

import java.time.Instant;

/**
 * A time that another machine has named.
 *
 * @param said the time on the clock of the other machine
 * @param heardNanos when this process heard of it, on the clock of {@link System#nanoTime}
 */
public record HeardTime(Instant said, long heardNanos) {}
