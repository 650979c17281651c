// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The field {@code ft}: the circumstances under which the agent made and sent the certificate. Not signed, no content.
 *
 * @param outboxSeq the entry's number in the agent's outbox, if given; numbers beyond 64 bits count as the nearest there is
 * @param degraded whether the agent had to use a fallback, which escalates the certificate
 * @param fallbacks the fallbacks that it used, by its names
 * @param clockSkewMillis the offset of the agent's clock that it corrected for, if given; clamped like {@code outboxSeq}
 */
public record FaultTolerance(
        @Nullable Long outboxSeq,
        boolean degraded,
        List<String> fallbacks,
        @Nullable Long clockSkewMillis) {

    /** What a certificate without {@code ft} says. */
    public static final FaultTolerance NOTHING_SAID = new FaultTolerance(null, false, List.of(), null);

    public FaultTolerance {
        fallbacks = List.copyOf(fallbacks);
    }
}
