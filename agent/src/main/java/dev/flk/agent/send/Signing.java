// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import static dev.flk.program.config.Quantities.oneOf;

import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.config.Settings;
import dev.flk.signing.Ed25519Signer;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.SignatureCheck;
import dev.flk.signing.SigningKey;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Function;

/**
 * The configured key, which is never printed.
 *
 * @param signer the signer; empty for {@code PCS_SIGN_ALG=none}
 * @param check the check that accepts the signatures of this signer
 */
public record Signing(Optional<SigningKey> signer, SignatureCheck check) {
    private static final Key<Algorithm> ALGORITHM =
            Key.of("PCS_SIGN_ALG", oneOf(Algorithm.class), "`hmac`, `ed25519` or `none`.");
    private static final Key<String> HMAC_KEY = Key.of(
                    "PCS_HMAC_KEY", Quantities::text, "The secret to sign with, for `hmac`.")
            .secret();
    private static final Key<String> ED25519_SEED = Key.of(
                    "PCS_ED25519_PRIV_B64", Quantities::text, "The seed of the key, 32 bytes in base64, for `ed25519`.")
            .secret();

    /** The settings of the signing key. */
    public static final List<Key<?>> KEYS = List.of(ALGORITHM, HMAC_KEY, ED25519_SEED);

    /** The values of {@code PCS_SIGN_ALG}. */
    private enum Algorithm {
        HMAC,
        ED25519,
        NONE
    }

    /**
     * Reads the key from settings. Reports a problem if no algorithm is set, or if the key for the algorithm is missing
     * or invalid.
     */
    public static Signing read(Settings settings) {
        settings.require(settings.isGiven(ALGORITHM), "PCS_SIGN_ALG: not set; set it to hmac, ed25519 or none");
        Optional<Algorithm> chosen = settings.find(ALGORITHM);
        chosen.ifPresent(algorithm -> {
            String because = "PCS_SIGN_ALG is " + algorithm.name().toLowerCase(Locale.ROOT);
            settings.unused(because, algorithm == Algorithm.HMAC ? List.of() : List.of(HMAC_KEY));
            settings.unused(because, algorithm == Algorithm.ED25519 ? List.of() : List.of(ED25519_SEED));
        });
        return chosen.map(algorithm -> switch (algorithm) {
                    case HMAC -> key(settings, HMAC_KEY, Signing::hmac);
                    case ED25519 -> key(settings, ED25519_SEED, Signing::ed25519);
                    case NONE -> unsigned();
                })
                .orElseGet(Signing::unsigned);
    }

    private static Signing key(Settings settings, Key<String> name, Function<String, Signing> use) {
        settings.require(
                settings.isGiven(name),
                name + ": not set; flk-agent keygen creates a key, and " + name.nameOfFile() + " reads it from a file");
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
