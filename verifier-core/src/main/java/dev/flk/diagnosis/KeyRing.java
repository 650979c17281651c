// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import dev.flk.signing.CandidateKey;
import dev.flk.signing.Ed25519Signer;
import dev.flk.signing.SignatureCheck;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.stream.Stream;

/**
 * The keys in a file. The file contains either settings, as {@code keygen} prints them and the programs read them, or
 * nothing but an HMAC secret, like the file that {@code PCS_HMAC_KEY_FILE} names. No error message contains a key.
 */
public final class KeyRing {
    private static final List<String> NAMES =
            List.of("PCS_HMAC_KEY", "PCS_HMAC_KEYS", "PCS_ED25519_PRIV_B64", "PCS_ED25519_PUB_B64");

    private final String name;
    private final String algorithm;
    private final List<String> secrets = new ArrayList<>();
    private final List<String> publicKeys = new ArrayList<>();
    private final List<NamedKey> keys = new ArrayList<>();

    private KeyRing(String name, String algorithm) {
        this.name = name;
        this.algorithm = algorithm;
    }

    /**
     * Reads the keys in a file.
     *
     * @param name the file's name, for people
     * @param text the complete text of the file
     * @param settings the same text parsed as {@code NAME=value} lines; settings other than keys and {@code
     *     PCS_SIGN_ALG} are ignored
     * @throws IllegalArgumentException if the file has no key, or an invalid one
     */
    public static KeyRing of(String name, String text, Map<String, String> settings) {
        if (NAMES.stream().anyMatch(setting -> value(settings, setting).isPresent())) {
            return ofSettings(name, settings);
        }
        for (String setting : NAMES) {
            if (value(settings, setting + "_FILE").isPresent()) {
                throw new IllegalArgumentException(name + " contains no key, only the name of a file that does ("
                        + setting + "_FILE): use that file");
            }
        }
        if (settings.containsKey("PCS_SIGN_ALG")) {
            throw new IllegalArgumentException(name + " contains no key, only PCS_SIGN_ALG");
        }
        for (String setting : NAMES) {
            if (settings.containsKey(setting)) {
                throw new IllegalArgumentException(name + " contains no key: " + setting + " is empty");
            }
        }
        KeyRing ring = new KeyRing(name, "hmac");
        ring.addSecret(withoutFinalNewline(text));
        return ring;
    }

    private static KeyRing ofSettings(String name, Map<String, String> settings) {
        KeyRing ring = new KeyRing(
                name, settings.getOrDefault("PCS_SIGN_ALG", "").strip().toLowerCase(Locale.ROOT));
        value(settings, "PCS_HMAC_KEY").ifPresent(ring::addSecret);
        list(settings, "PCS_HMAC_KEYS").forEach(ring::addSecret);
        value(settings, "PCS_ED25519_PRIV_B64").ifPresent(ring::addPrivateKey);
        list(settings, "PCS_ED25519_PUB_B64").forEach(ring::addPublicKey);
        return ring;
    }

    private static Stream<String> list(Map<String, String> settings, String setting) {
        return value(settings, setting).stream().flatMap(value -> Stream.of(value.split(",", -1)));
    }

    /** Returns the value of a setting; empty if the value is empty, which counts as not set. */
    private static Optional<String> value(Map<String, String> settings, String setting) {
        return Optional.ofNullable(settings.get(setting)).filter(value -> !value.isEmpty());
    }

    private static String withoutFinalNewline(String text) {
        String cut = text.endsWith("\n") ? text.substring(0, text.length() - 1) : text;
        return cut.endsWith("\r") ? cut.substring(0, cut.length() - 1) : cut;
    }

    private void addSecret(String secret) {
        add(() -> CandidateKey.secret(secret));
        secrets.add(secret);
    }

    private void addPrivateKey(String seed) {
        add(() -> CandidateKey.privateKey(seed.strip()));
        publicKeys.add(Ed25519Signer.ofBase64(seed.strip()).publicKeyBase64());
    }

    private void addPublicKey(String key) {
        add(() -> CandidateKey.publicKey(key.strip()));
        publicKeys.add(key.strip());
    }

    private void add(Supplier<CandidateKey> key) {
        try {
            keys.add(new NamedKey(name, key.get()));
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(name + ": " + e.getMessage(), e);
        }
    }

    public List<NamedKey> keys() {
        return List.copyOf(keys);
    }

    /**
     * Returns a check that accepts the signatures of all keys for one algorithm. The algorithm is {@code PCS_SIGN_ALG}
     * if the file sets it to {@code hmac} or {@code ed25519}, otherwise the only algorithm for which the file has keys.
     *
     * @throws IllegalArgumentException if the file does not determine the algorithm, or has no key for it
     */
    public SignatureCheck check() {
        boolean hmac = algorithm.equals("hmac") || (!algorithm.equals("ed25519") && publicKeys.isEmpty());
        boolean ed25519 = algorithm.equals("ed25519") || (!algorithm.equals("hmac") && secrets.isEmpty());
        if (!hmac && !ed25519) {
            throw new IllegalArgumentException(name + " has keys for hmac and for ed25519: add PCS_SIGN_ALG to it");
        }
        if (hmac ? secrets.isEmpty() : publicKeys.isEmpty()) {
            throw new IllegalArgumentException(name + " has no key for its PCS_SIGN_ALG, " + algorithm);
        }
        return hmac ? SignatureCheck.hmac(secrets) : SignatureCheck.ed25519(publicKeys);
    }

    /**
     * A key that may have made a signature.
     *
     * @param name the name of the key in messages: its file, its setting or its id
     */
    public record NamedKey(String name, CandidateKey key) {}
}
