// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import dev.flk.backend.keys.InvalidKeysException;
import dev.flk.backend.keys.KeysFile;
import dev.flk.signing.SignatureCheck;
import dev.flk.signing.SigningAlgorithm;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** How signatures are checked; chosen by {@code PCS_SIGN_ALG} or {@code KEYS_FILE}; there is no default. */
public sealed interface SigningConfig {

    /** One that stands in the configuration itself: any of its keys may sign for every shard, at any time. */
    sealed interface Simple extends SigningConfig {
        /** The check that this describes. */
        SignatureCheck check();
    }

    /**
     * HMAC-SHA256.
     *
     * @param secrets any of them verifies
     */
    record Hmac(List<Secret> secrets) implements Simple {
        /** Throws {@link InvalidConfig} if there is no secret, or an empty one. */
        public Hmac {
            new Rules()
                    .require(
                            !secrets.isEmpty(),
                            "PCS_SIGN_ALG: hmac needs PCS_HMAC_KEY or PCS_HMAC_KEYS (or PCS_HMAC_KEY_FILE)")
                    .require(
                            secrets.stream().noneMatch(secret -> secret.text().isBlank()),
                            "PCS_HMAC_KEY, PCS_HMAC_KEYS: a key is blank; look for a comma too many")
                    .check();
            secrets = List.copyOf(secrets);
        }

        @Override
        public SignatureCheck check() {
            return SignatureCheck.hmac(secrets.stream().map(Secret::text).toList());
        }
    }

    /**
     * Ed25519.
     *
     * @param publicKeys in base64, 32 bytes each; any of them verifies
     */
    record Ed25519(List<String> publicKeys) implements Simple {
        /** Throws {@link InvalidConfig} if there is no key, or one that is none. */
        public Ed25519 {
            Rules rules = new Rules().require(!publicKeys.isEmpty(), "PCS_SIGN_ALG: ed25519 needs PCS_ED25519_PUB_B64");
            for (int i = 0; i < publicKeys.size(); i++) {
                rules.require(
                        isKey(publicKeys.get(i)),
                        "PCS_ED25519_PUB_B64: key %d of %d is no Ed25519 public key, 32 bytes in padded base64"
                                .formatted(i + 1, publicKeys.size()));
            }
            rules.check();
            publicKeys = List.copyOf(publicKeys);
        }

        @Override
        public SignatureCheck check() {
            return SignatureCheck.ed25519(publicKeys);
        }

        private static boolean isKey(String base64) {
            try {
                return !SignatureCheck.ed25519(List.of(base64)).keyIds().isEmpty();
            } catch (IllegalArgumentException e) {
                return false;
            }
        }
    }

    /** No check at all. */
    record Off() implements Simple {
        @Override
        public SignatureCheck check() {
            return SignatureCheck.none();
        }
    }

    /**
     * The keys of a file, each for its own shards.
     *
     * @param only the algorithm that all of them have; null: each its own
     */
    record Registered(Path file, @Nullable SigningAlgorithm only) implements SigningConfig {
        /** Throws {@link InvalidConfig} with all that is wrong with the file. */
        public Registered {
            KeysFile unused = read(file, only);
        }

        /** The keys as they stand in the file now; throws {@link InvalidConfig} with all that is wrong with it. */
        public KeysFile read() {
            return read(file, only);
        }

        private static KeysFile read(Path file, @Nullable SigningAlgorithm only) {
            try {
                return KeysFile.read(file, only);
            } catch (InvalidKeysException e) {
                throw new InvalidConfig(e.problems().stream()
                        .map(problem -> "KEYS_FILE: %s: %s".formatted(file, problem))
                        .toList());
            }
        }
    }
}
