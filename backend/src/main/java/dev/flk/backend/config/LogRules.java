// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import dev.flk.verification.Policy;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Set;

/**
 * What the outcomes of logged certificates depend on, and how long they are kept.
 *
 * @param policy to decide by
 * @param dedupTtl how long a recorded outcome stands, from the arrival of its certificate
 * @param walRetention how long a closed, decided segment is kept
 */
public record LogRules(Policy policy, Duration dedupTtl, Duration walRetention) {
    static final Set<Key> KEYS = EnumSet.of(
            Key.TOL_D,
            Key.TOL_COH,
            Key.TOL_BUDGET,
            Key.BUDGET_BASE,
            Key.BUDGET_ALPHA,
            Key.BUDGET_BETA,
            Key.BUDGET_GAMMA,
            Key.BUDGET_D0,
            Key.DEDUP_TTL,
            Key.WAL_RETENTION);

    /**
     * A duration as it is written in the configuration, {@code 250ms}, {@code 30s}, {@code 14d}.
     *
     * @throws IllegalArgumentException if it is none; the message completes "… is "
     */
    public static Duration duration(String text) {
        return Notation.duration(text);
    }
}
