// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import dev.flk.backend.keys.KeysFile;
import dev.flk.backend.keys.KeysFile.InvalidKeysException;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.config.Secret;
import dev.flk.signing.SignatureCheck;
import dev.flk.signing.SigningAlgorithm;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The way signatures are checked, chosen by {@code PCS_SIGN_ALG} or {@code KEYS_FILE}; there is no default. */
public sealed interface SigningConfig {

    /** Keys in the configuration itself; any of them may sign for every shard at any time. */
    sealed interface Simple extends SigningConfig {
        /** Returns the check for these keys. */
        SignatureCheck check();
    }

    /**
     * HMAC-SHA256 keys.
     *
     * @param secrets the secrets; any of them verifies a signature
     */
    record Hmac(List<Secret> secrets) implements Simple {
        public Hmac {
            secrets = List.copyOf(secrets);
        }

        @Override
        public SignatureCheck check() {
            return SignatureCheck.hmac(secrets.stream().map(Secret::text).toList());
        }
    }

    /**
     * Ed25519 keys.
     *
     * @param publicKeys the public keys, 32 bytes each in base64; any of them verifies a signature
     */
    record Ed25519(List<String> publicKeys) implements Simple {
        public Ed25519 {
            publicKeys = List.copyOf(publicKeys);
        }

        @Override
        public SignatureCheck check() {
            return SignatureCheck.ed25519(publicKeys);
        }
    }

    /** No check: unsigned certificates are accepted. */
    record Off() implements Simple {
        @Override
        public SignatureCheck check() {
            return SignatureCheck.none();
        }
    }

    /**
     * The keys of a file, each of which may sign only for its own shards.
     *
     * @param only the algorithm that all keys must have; null if each has its own
     */
    record Registered(Path file, @Nullable SigningAlgorithm only) implements SigningConfig {
        /** Throws {@link InvalidConfig} with all problems of the file. */
        public Registered {
            read(file, only);
        }

        /** Reads the keys that the file contains now; throws {@link InvalidConfig} with all problems of the file. */
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
