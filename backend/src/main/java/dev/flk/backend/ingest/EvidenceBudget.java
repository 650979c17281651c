// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.limit.HeldBack;
import dev.flk.backend.limit.RateLimit;
import dev.flk.backend.metrics.LimitedBy;
import java.math.BigDecimal;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.LongSupplier;

/**
 * How many bytes of evidence go to the log. Without a key one can make any number of other contents of a certificate that one has seen: not
 * all of it is signed. A bucket of bytes for all of them bounds what that takes of the disk; who conflicts honestly waits. Safe for any
 * thread.
 */
final class EvidenceBudget {
    /** The longest body that can be configured. */
    static final long BURST_BYTES = 64L << 20;

    private static final long BYTES_PER_SECOND = 32 << 10;

    private final RateLimit bytes;

    EvidenceBudget(LongSupplier nanoTicker) {
        bytes = new RateLimit(BigDecimal.valueOf(BYTES_PER_SECOND), BURST_BYTES, nanoTicker);
    }

    /** Takes the bytes of a body; empty if they were there, else when they will be. */
    Optional<HeldBack> take(int bodyBytes) {
        OptionalLong waitNanos = bytes.tryTake(Math.max(1, Math.min(BURST_BYTES, bodyBytes)));
        return waitNanos.isEmpty()
                ? Optional.empty()
                : Optional.of(new HeldBack(LimitedBy.EVIDENCE, waitNanos.getAsLong()));
    }
}
