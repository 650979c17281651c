// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.config;

import dev.flk.signing.Ed25519Signer;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.SignatureCheck;
import dev.flk.signing.Signer;
import java.util.List;
import java.util.Optional;

/**
 * The configured key. It never shows itself.
 *
 * @param signer makes signatures; empty for {@code PCS_SIGN_ALG=none}
 * @param check checks them with the same key
 */
public record Signing(Optional<Signer> signer, SignatureCheck check) {

    static Signing read(Settings settings) {
        Optional<String> given = settings.text(Setting.PCS_SIGN_ALG);
        if (given.isEmpty() && settings.isGiven(Setting.PCS_SIGN_ALG)) {
            return unsigned(); // that its file can't be read is told
        }
        String algorithm = given.orElse("");
        try {
            return switch (algorithm) {
                case "hmac" -> hmac(settings);
                case "ed25519" -> ed25519(settings);
                case "none" -> unsigned();
                default -> {
                    settings.problem(
                            Setting.PCS_SIGN_ALG,
                            algorithm.isEmpty()
                                    ? "is not set; write hmac, ed25519 or none"
                                    : "is \"" + algorithm + "\"; write hmac, ed25519 or none");
                    yield unsigned();
                }
            };
        } catch (IllegalArgumentException e) {
            Setting key = algorithm.equals("hmac") ? Setting.PCS_HMAC_KEY : Setting.PCS_ED25519_PRIV_B64;
            settings.problem(key, "can't be used: " + e.getMessage());
            return unsigned();
        }
    }

    private static Signing hmac(Settings settings) {
        Optional<String> secret = key(settings, Setting.PCS_HMAC_KEY);
        return secret.isEmpty()
                ? unsigned()
                : new Signing(Optional.of(new HmacSigner(secret.get())), SignatureCheck.hmac(List.of(secret.get())));
    }

    private static Signing ed25519(Settings settings) {
        Optional<String> seed = key(settings, Setting.PCS_ED25519_PRIV_B64);
        if (seed.isEmpty()) {
            return unsigned();
        }
        Ed25519Signer signer = Ed25519Signer.ofBase64(seed.get().strip());
        return new Signing(Optional.of(signer), SignatureCheck.ed25519(List.of(signer.publicKeyBase64())));
    }

    private static Signing unsigned() {
        return new Signing(Optional.empty(), SignatureCheck.none());
    }

    private static Optional<String> key(Settings settings, Setting name) {
        Optional<String> key = settings.text(name);
        if (key.isEmpty() && !settings.isGiven(name)) {
            settings.problem(name, "is not set; flk-agent keygen makes a key, " + name + "_FILE reads it from a file");
        }
        return key;
    }
}
