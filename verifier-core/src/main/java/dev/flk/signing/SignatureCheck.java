// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing;

import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Tells whether a certificate was signed with one of the configured keys. Immutable, safe from any thread, and quick enough
 * for an event loop (an HMAC takes microseconds, an Ed25519 verification some tens of them, per key).
 */
public final class SignatureCheck {
    private final List<Key> keys;
    private final Unsigned unsigned;

    /** One key that can tell its own signatures. Immutable, safe from any thread. */
    interface Key {
        KeyId keyId();

        /** The same key, to be asked what was done with it by mistake. */
        CandidateKey candidate();

        /** Whether {@code sig} is this key's base64 signature over {@code canonical}. */
        boolean verifies(byte[] canonical, String sig);
    }

    /** What a certificate gets that no key has signed. */
    private enum Unsigned {
        REFUSED,
        TAKEN
    }

    private SignatureCheck(List<Key> keys, Unsigned unsigned) {
        this.keys = keys;
        this.unsigned = unsigned;
    }

    /**
     * HMAC-SHA256; any of the secrets verifies.
     *
     * @throws IllegalArgumentException if there is no secret or an empty one
     */
    public static SignatureCheck hmac(List<String> secrets) {
        return new SignatureCheck(
                requireSome(secrets).stream().<Key>map(HmacSigner::new).toList(), Unsigned.REFUSED);
    }

    /**
     * Ed25519 over the SHA-256 digest; any of the keys verifies.
     *
     * @param publicKeysBase64 32 raw bytes each, in padded standard base64
     * @throws IllegalArgumentException if there is no key, or one that is none
     */
    public static SignatureCheck ed25519(List<String> publicKeysBase64) {
        return new SignatureCheck(
                requireSome(publicKeysBase64).stream()
                        .<Key>map(Ed25519Signer.PublicKey::parse)
                        .toList(),
                Unsigned.REFUSED);
    }

    /** No check: whatever comes is taken, signed or not. */
    public static SignatureCheck none() {
        return new SignatureCheck(List.of(), Unsigned.TAKEN);
    }

    /** The ids of the configured keys, in the order in which they are tried. */
    public List<KeyId> keyIds() {
        return keys.stream().map(Key::keyId).toList();
    }

    /** The configured keys, to be asked what was done with them by mistake; in the same order. */
    public List<CandidateKey> candidates() {
        return keys.stream().map(Key::candidate).toList();
    }

    /**
     * The key that has made this signature; empty if none of them has, and the certificate is to be refused.
     *
     * @param sig base64 in the standard alphabet, padded; any other spelling, and null or an empty text, is refused
     */
    public Optional<KeyId> verify(byte[] canonical, @Nullable String sig) {
        if (unsigned == Unsigned.TAKEN) {
            return Optional.of(KeyId.NONE);
        }
        if (sig == null) {
            return Optional.empty();
        }
        for (Key key : keys) {
            if (key.verifies(canonical, sig)) {
                return Optional.of(key.keyId());
            }
        }
        return Optional.empty();
    }

    private static List<String> requireSome(List<String> keys) {
        if (keys.isEmpty()) {
            throw new IllegalArgumentException("signatures can't be checked without a key: configure at least one");
        }
        return keys;
    }
}
