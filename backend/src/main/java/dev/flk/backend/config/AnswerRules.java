// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import dev.flk.program.config.Secret;
import dev.flk.verification.Policy;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

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
    public AnswerRules {
        secrets = List.copyOf(secrets);
        publicKeys = List.copyOf(publicKeys);
    }
}
