// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A check that a certificate or a message was signed with one of the configured keys. It is immutable, thread-safe, and
 * fast enough for an event loop: per key, an HMAC takes microseconds and an Ed25519 verification some tens of
 * microseconds.
 */
public final class SignatureCheck {
    private final List<Key> keys;
    private final Unsigned unsigned;

    /** A key that recognises its own signatures. Immutable and thread-safe. */
    interface Key {
        KeyId keyId();

        /** Returns this key as a {@link CandidateKey}, which a diagnosis can test. */
        CandidateKey candidate();

        /** Returns whether {@code sig} is this key's base64 signature over {@code canonical}. */
        boolean verifies(byte[] canonical, String sig);

        /** Returns whether {@code sig} is this key's base64 signature over the bytes of {@code message}. */
        boolean verifiesMessage(byte[] message, String sig);
    }

    /** The treatment of certificates that none of the keys signed. */
    private enum Unsigned {
        REJECTED,
        ACCEPTED
    }

    private SignatureCheck(List<Key> keys, Unsigned unsigned) {
        this.keys = keys;
        this.unsigned = unsigned;
    }

    /**
     * Returns a check that accepts HMAC-SHA256 signatures made with any of the secrets.
     *
     * @throws IllegalArgumentException if the list is empty or contains an empty secret
     */
    public static SignatureCheck hmac(List<String> secrets) {
        return new SignatureCheck(
                requireSome(secrets).stream().<Key>map(HmacSigner::new).toList(), Unsigned.REJECTED);
    }

    /**
     * Returns a check that accepts Ed25519 signatures over the SHA-256 digest, made with any of the keys.
     *
     * @param publicKeysBase64 the public keys, each 32 raw bytes in padded standard base64
     * @throws IllegalArgumentException if the list is empty or contains an invalid key
     */
    public static SignatureCheck ed25519(List<String> publicKeysBase64) {
        return new SignatureCheck(
                requireSome(publicKeysBase64).stream()
                        .<Key>map(Ed25519Signer.PublicKey::parse)
                        .toList(),
                Unsigned.REJECTED);
    }

    /** Returns a check that accepts every certificate, signed or not. */
    public static SignatureCheck none() {
        return new SignatureCheck(List.of(), Unsigned.ACCEPTED);
    }

    /** Returns the ids of the configured keys, in the order in which they are tried. */
    public List<KeyId> keyIds() {
        return keys.stream().map(Key::keyId).toList();
    }

    /** Returns the configured keys as {@link CandidateKey}s, in the same order as {@link #keyIds}. */
    public List<CandidateKey> candidates() {
        return keys.stream().map(Key::candidate).toList();
    }

    /**
     * Returns the id of the key that made this signature, or {@link KeyId#NONE} if signatures are not checked. Returns
     * empty if none of the keys made the signature; the certificate must then be rejected.
     *
     * @param sig the signature in padded base64 with the standard alphabet; null and any other text match no key
     */
    public Optional<KeyId> verify(byte[] canonical, @Nullable String sig) {
        if (unsigned == Unsigned.ACCEPTED) {
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

    /**
     * Returns whether a configured key with the id {@code keyId} made this signature of a message. Returns false if
     * signatures are not checked.
     *
     * @param sig the signature in padded base64 with the standard alphabet; any other text matches no key
     */
    public boolean verifyMessage(byte[] message, String sig, KeyId keyId) {
        boolean verified = false;
        for (Key key : keys) {
            // Keys with other ids are tried too, so that the time does not reveal which ids are configured.
            boolean made = key.verifiesMessage(message, sig);
            verified |= made && key.keyId().equals(keyId);
        }
        return verified;
    }

    private static List<String> requireSome(List<String> keys) {
        if (keys.isEmpty()) {
            throw new IllegalArgumentException("signatures can't be checked without a key: configure at least one");
        }
        return keys;
    }

    /**
     * The id of a key in records and messages: 8 hex digits, or {@code none} if signatures are not checked. The id does
     * not disclose the key. The id is short on purpose: it distinguishes a handful of configured keys and proves
     * nothing.
     */
    public record KeyId(String text) {
        /** The id that is recorded if the signature was not checked. */
        public static final KeyId NONE = new KeyId("none");

        public KeyId {
            if (!text.equals("none") && !text.matches("[0-9a-f]{8}")) {
                throw new IllegalArgumentException(
                        "a key id is 8 hex digits or the word none, not " + text.length() + " characters");
            }
        }

        @Override
        public String toString() {
            return text;
        }
    }

    /**
     * Base64 in a single spelling: standard alphabet, padded, unused bits zero, no white space. Otherwise, anyone could
     * respell a signature, so that copies of one certificate would look like different certificates.
     */
    static final class StrictBase64 {
        private StrictBase64() {}

        /** Returns the bytes of {@code text}; empty unless it is the base64 of exactly {@code lengthBytes} bytes. */
        static Optional<byte[]> decode(String text, int lengthBytes) {
            if (text.length() != (lengthBytes + 2) / 3 * 4) {
                return Optional.empty();
            }
            try {
                byte[] bytes = Base64.getDecoder().decode(text);
                // The decoder tolerates missing padding and stray bits.
                boolean strict = bytes.length == lengthBytes && encode(bytes).equals(text);
                return strict ? Optional.of(bytes) : Optional.empty();
            } catch (IllegalArgumentException e) {
                return Optional.empty();
            }
        }

        static String encode(byte[] bytes) {
            return Base64.getEncoder().encodeToString(bytes);
        }

        /**
         * Returns whether {@code text} is the base64 of {@code bytes}, in a time that does not depend on where {@code
         * text} differs from this base64.
         */
        static boolean isOf(String text, byte[] bytes) {
            return MessageDigest.isEqual(Base64.getEncoder().encode(bytes), text.getBytes(StandardCharsets.US_ASCII));
        }
    }
}
