// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.config;

import dev.flk.program.config.Key;
import dev.flk.program.config.Settings;
import dev.flk.signing.Ed25519Signer;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.SignatureCheck;
import dev.flk.signing.Signer;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/**
 * The configured key. It is never printed.
 *
 * @param signer the signer; empty for {@code PCS_SIGN_ALG=none}
 * @param check the check of signatures with the same key
 */
public record Signing(Optional<Signer> signer, SignatureCheck check) {

    static Signing read(Settings settings) {
        settings.require(
                settings.isGiven(AgentKeys.PCS_SIGN_ALG), "PCS_SIGN_ALG: not set; set it to hmac, ed25519 or none");
        return settings.find(AgentKeys.PCS_SIGN_ALG)
                .map(algorithm -> switch (algorithm) {
                    case HMAC -> key(settings, AgentKeys.PCS_HMAC_KEY, Signing::hmac);
                    case ED25519 -> key(settings, AgentKeys.PCS_ED25519_PRIV_B64, Signing::ed25519);
                    case NONE -> unsigned();
                })
                .orElseGet(Signing::unsigned);
    }

    private static Signing key(Settings settings, Key<String> name, Function<String, Signing> use) {
        settings.require(
                settings.isGiven(name),
                name + ": not set; flk-agent keygen makes a key, " + name.nameOfFile() + " reads it from a file");
        try {
            return settings.find(name).map(use).orElseGet(Signing::unsigned);
        } catch (IllegalArgumentException e) {
            settings.problem(name + ": can't be used: " + e.getMessage());
            return unsigned();
        }
    }

    private static Signing hmac(String secret) {
        return new Signing(Optional.of(new HmacSigner(secret)), SignatureCheck.hmac(List.of(secret)));
    }

    private static Signing ed25519(String seed) {
        Ed25519Signer signer = Ed25519Signer.ofBase64(seed.strip());
        return new Signing(Optional.of(signer), SignatureCheck.ed25519(List.of(signer.publicKeyBase64())));
    }

    private static Signing unsigned() {
        return new Signing(Optional.empty(), SignatureCheck.none());
    }
}
