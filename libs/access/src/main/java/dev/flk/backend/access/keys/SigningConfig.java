// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.keys;

import static dev.flk.program.config.Quantities.oneOf;

import dev.flk.program.config.InvalidConfig;
import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.config.Secret;
import dev.flk.program.config.Settings;
import dev.flk.program.reload.ConfiguredFile.InvalidFileException;
import dev.flk.signing.SignatureCheck;
import dev.flk.signing.SigningAlgorithm;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The way signatures are checked, chosen by {@code PCS_SIGN_ALG} or {@code KEYS_FILE}; there is no default. */
public sealed interface SigningConfig {
    Key<Algorithm> PCS_SIGN_ALG = Key.of(
            "PCS_SIGN_ALG", oneOf(Algorithm.class), "`hmac`, `ed25519`, or `none` to accept unsigned certificates.");
    Key<Secret> PCS_HMAC_KEY = Key.of("PCS_HMAC_KEY", Secret::new, "The secret that every agent signs with.")
            .secret();
    Key<List<Secret>> PCS_HMAC_KEYS = Key.of(
                    "PCS_HMAC_KEYS",
                    text -> Stream.of(text.split(",", -1)).map(Secret::new).toList(),
                    "Further secrets, separated by commas.")
            .secret();
    Key<List<String>> PCS_ED25519_PUB_B64 = Key.of(
            "PCS_ED25519_PUB_B64",
            text -> Stream.of(text.split(",", -1)).map(String::strip).toList(),
            "Public keys, 32 bytes in base64, separated by commas.");
    Key<Path> KEYS_FILE = Key.of(
            "KEYS_FILE",
            Quantities::path,
            "A file of keys and their shards, instead of PCS_HMAC_KEY, PCS_HMAC_KEYS and PCS_ED25519_PUB_B64.");

    /** The settings of signatures, in the order of the docs. */
    List<Key<?>> KEYS = List.of(PCS_SIGN_ALG, PCS_HMAC_KEY, PCS_HMAC_KEYS, PCS_ED25519_PUB_B64, KEYS_FILE);

    /** The values of PCS_SIGN_ALG. */
    enum Algorithm {
        HMAC,
        ED25519,
        NONE
    }

    /** Returns all configured public keys, whether or not {@code PCS_SIGN_ALG} makes use of them. */
    static List<String> publicKeys(Settings settings) {
        return settings.find(PCS_ED25519_PUB_B64).orElse(List.of());
    }

    /**
     * Reads how signatures are checked, and adds any problems to {@code settings}. Returns empty if a problem leaves
     * the way of checking undecided.
     */
    static Optional<SigningConfig> read(Settings settings) {
        List<Secret> secrets = secrets(settings);
        List<String> publicKeys = publicKeys(settings);
        Optional<Algorithm> algorithm = settings.find(PCS_SIGN_ALG);
        if (settings.isGiven(KEYS_FILE)) {
            return registered(settings, algorithm);
        }
        settings.require(
                settings.isGiven(PCS_SIGN_ALG),
                "PCS_SIGN_ALG: not set; set it to hmac or ed25519, or to none to accept unsigned certificates");
        return algorithm.flatMap(each -> switch (each) {
            case HMAC -> hmac(settings, secrets);
            case ED25519 -> ed25519(settings, publicKeys);
            case NONE -> Optional.of(new Off());
        });
    }

    private static Optional<SigningConfig> ed25519(Settings settings, List<String> publicKeys) {
        settings.require(
                settings.isBroken(PCS_ED25519_PUB_B64) || !publicKeys.isEmpty(),
                "PCS_SIGN_ALG: ed25519 needs PCS_ED25519_PUB_B64");
        boolean areKeys = !publicKeys.isEmpty();
        for (int i = 0; i < publicKeys.size(); i++) {
            boolean isKey = KeyEntry.isPublicKey(publicKeys.get(i));
            areKeys &= isKey;
            settings.require(
                    isKey,
                    "PCS_ED25519_PUB_B64: key %d of %d is not an Ed25519 public key, 32 bytes in padded base64"
                            .formatted(i + 1, publicKeys.size()));
        }
        return areKeys ? Optional.of(new Ed25519(publicKeys)) : Optional.empty();
    }

    /** Returns all configured secrets, whether or not {@code PCS_SIGN_ALG} makes use of them. */
    static List<Secret> secrets(Settings settings) {
        return Stream.concat(
                        settings.find(PCS_HMAC_KEY).stream(),
                        settings.find(PCS_HMAC_KEYS).stream().flatMap(List::stream))
                .toList();
    }

    private static Optional<SigningConfig> hmac(Settings settings, List<Secret> secrets) {
        boolean isBroken = settings.isBroken(PCS_HMAC_KEY) || settings.isBroken(PCS_HMAC_KEYS);
        settings.require(
                isBroken || !secrets.isEmpty(),
                "PCS_SIGN_ALG: hmac needs PCS_HMAC_KEY or PCS_HMAC_KEYS (or PCS_HMAC_KEY_FILE)");
        boolean hasBlank = secrets.stream().anyMatch(secret -> secret.text().isBlank());
        settings.require(!hasBlank, "PCS_HMAC_KEY, PCS_HMAC_KEYS: a key is blank; look for an extra comma");
        return secrets.isEmpty() || hasBlank ? Optional.empty() : Optional.of(new Hmac(secrets));
    }

    private static Optional<SigningConfig> registered(Settings settings, Optional<Algorithm> algorithm) {
        settings.require(
                Stream.of(PCS_HMAC_KEY, PCS_HMAC_KEYS, PCS_ED25519_PUB_B64).noneMatch(settings::isGiven),
                "KEYS_FILE: PCS_HMAC_KEY, PCS_HMAC_KEYS or PCS_ED25519_PUB_B64 is set too, and its keys could"
                        + " sign for every shard; move these keys into the keys file, or remove KEYS_FILE");
        if (algorithm.filter(Algorithm.NONE::equals).isPresent()) {
            settings.problem("PCS_SIGN_ALG: none accepts unsigned certificates, so KEYS_FILE has no use; remove one of"
                    + " the two");
            return Optional.empty();
        }
        SigningAlgorithm only = algorithm
                .map(each -> each == Algorithm.HMAC ? SigningAlgorithm.HMAC : SigningAlgorithm.ED25519)
                .orElse(null);
        try {
            return settings.find(KEYS_FILE).map(path -> new Registered(path, only));
        } catch (InvalidConfig e) {
            e.problems().forEach(settings::problem);
            return Optional.empty();
        }
    }

    /** Keys in the configuration itself, each of which may sign for every shard at any time. */
    sealed interface Simple extends SigningConfig {
        /** Returns the check for these keys. */
        SignatureCheck check();
    }

    /**
     * HMAC-SHA256 keys.
     *
     * @param secrets the secrets; a signature by any of these secrets is valid
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
     * @param publicKeys the public keys, 32 bytes each in base64; a signature by any of these keys is valid
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
     * @param only the algorithm that all keys must have; null if they may have any
     */
    record Registered(Path file, @Nullable SigningAlgorithm only) implements SigningConfig {
        /** Reads the file to check it; throws {@link InvalidConfig} with all problems of the file. */
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
            } catch (InvalidFileException e) {
                throw new InvalidConfig(e.problems().stream()
                        .map(problem -> "KEYS_FILE: %s: %s".formatted(file, problem))
                        .toList());
            }
        }
    }
}
