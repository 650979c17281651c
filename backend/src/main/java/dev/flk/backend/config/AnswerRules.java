// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import dev.flk.verification.Policy;
import java.time.Duration;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * What the answer to a certificate depends on, for those who only want to know it.
 *
 * @param signing empty if nothing about signatures is configured
 * @param secrets all that are configured, in force or not
 * @param publicKeys likewise
 */
public record AnswerRules(
        Policy policy,
        Duration maxClockSkew,
        int maxBodyBytes,
        Optional<SigningConfig> signing,
        List<Secret> secrets,
        List<String> publicKeys) {
    static final Set<Key> KEYS = EnumSet.of(
            Key.TOL_D,
            Key.TOL_COH,
            Key.TOL_BUDGET,
            Key.BUDGET_BASE,
            Key.BUDGET_ALPHA,
            Key.BUDGET_BETA,
            Key.BUDGET_GAMMA,
            Key.BUDGET_D0,
            Key.MAX_CLOCK_SKEW,
            Key.MAX_BODY_BYTES,
            Key.PCS_SIGN_ALG,
            Key.PCS_HMAC_KEY,
            Key.PCS_HMAC_KEYS,
            Key.PCS_ED25519_PUB_B64,
            Key.KEYS_FILE);

    public AnswerRules {
        secrets = List.copyOf(secrets);
        publicKeys = List.copyOf(publicKeys);
    }
}
