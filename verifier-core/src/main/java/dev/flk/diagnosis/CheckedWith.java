// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import dev.flk.signing.KeyId;
import dev.flk.signing.KeyUse.Scheme;
import dev.flk.signing.SigningAlgorithm;
import dev.flk.signing.SuspectKey;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** What a signature is checked with, and how that is spoken of. */
sealed interface CheckedWith {
    /** Those that there are keys for, at least one. */
    List<SigningAlgorithm> algorithms();

    /** With which a key should have been used; null is for no key. */
    SigningAlgorithm properFor(@Nullable SuspectKey key);

    /** A clause that says what is checked, if not what was made. */
    String instead(SigningAlgorithm expected);

    /** What to do about a signature of a scheme that is a proper one, but not here. */
    String admitting(SigningAlgorithm expected, Scheme scheme);

    /** A clause that names the keys. */
    String keys();

    /** What to do about a key that is none of them. */
    String adding(SigningAlgorithm expected);

    /** {@code PCS_SIGN_ALG} and the keys of its algorithm. */
    record Settings(SigningAlgorithm algorithm, List<KeyId> keyIds) implements CheckedWith {
        @Override
        public List<SigningAlgorithm> algorithms() {
            return List.of(algorithm);
        }

        @Override
        public SigningAlgorithm properFor(@Nullable SuspectKey key) {
            return algorithm;
        }

        @Override
        public String instead(SigningAlgorithm expected) {
            return "PCS_SIGN_ALG=" + algorithm.configName() + " is what is checked";
        }

        @Override
        public String admitting(SigningAlgorithm expected, Scheme scheme) {
            String other = scheme == Scheme.ED25519 ? "ed25519" : "hmac";
            return "Sign with " + expected.displayName() + ", or have PCS_SIGN_ALG=" + other
                    + " and the key for it set where it is checked.";
        }

        @Override
        public String keys() {
            return "it is checked with " + keyIds.stream().map(KeyId::text).collect(Collectors.joining(", "));
        }

        @Override
        public String adding(SigningAlgorithm expected) {
            return "Sign with a key that is configured, or add this one where it is checked ("
                    + (expected == SigningAlgorithm.HMAC ? "PCS_HMAC_KEYS" : "PCS_ED25519_PUB_B64")
                    + " takes several).";
        }
    }

    /**
     * A keys file, each of whose keys has its own algorithm.
     *
     * @param ofShard the ids of those that may sign for the shard
     */
    record KeysFile(List<SigningAlgorithm> algorithms, List<String> ofShard) implements CheckedWith {
        @Override
        public SigningAlgorithm properFor(@Nullable SuspectKey key) {
            return key == null ? algorithms.get(0) : key.algorithm();
        }

        @Override
        public String instead(SigningAlgorithm expected) {
            return "the keys file has keys for "
                    + algorithms.stream().map(SigningAlgorithm::displayName).collect(Collectors.joining(" and "));
        }

        @Override
        public String admitting(SigningAlgorithm expected, Scheme scheme) {
            return "Sign with " + expected.displayName() + ", for which the key is.";
        }

        @Override
        public String keys() {
            return ofShard.isEmpty()
                    ? "no key of the keys file may sign for the shard"
                    : "it is checked with " + String.join(", ", ofShard);
        }

        @Override
        public String adding(SigningAlgorithm expected) {
            return "Sign with a key that may sign for the shard, or add this one to the keys file.";
        }
    }
}
