// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import dev.flk.verification.Policy;
import java.time.Duration;

/**
 * What the outcomes of logged certificates depend on, and how long they are kept.
 *
 * @param policy to decide by
 * @param dedupTtl how long a recorded outcome stands, from the arrival of its certificate
 * @param walRetention how long a closed, decided segment is kept
 */
public record LogRules(Policy policy, Duration dedupTtl, Duration walRetention) {}
