// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing;

import dev.flk.canonical.Sha256;
import dev.flk.signing.SignatureCheck.KeyId;
import dev.flk.signing.SignatureCheck.StrictBase64;
import java.util.HexFormat;
import org.bouncycastle.crypto.params.Ed25519PrivateKeyParameters;
import org.bouncycastle.crypto.params.Ed25519PublicKeyParameters;
import org.bouncycastle.math.ec.rfc8032.Ed25519;

/**
 * A signer with a private key: Ed25519 over the SHA-256 digest of a certificate's canonical form, or over a message
 * itself.
 */
public final class Ed25519Signer implements SigningKey {
    /** The number of bytes in a private key, which Ed25519 calls its seed. */
    public static final int SEED_BYTES = Ed25519.SECRET_KEY_SIZE;

    private static final int BASE64_CHARS = 44;

    private final Ed25519PrivateKeyParameters key;

    /**
     * Creates a signer.
     *
     * @param seed the raw private key, which is copied
     * @throws IllegalArgumentException unless {@code seed} has 32 bytes
     */
    public Ed25519Signer(byte[] seed) {
        if (seed.length != SEED_BYTES) {
            throw new IllegalArgumentException("an Ed25519 private key must be a seed of " + SEED_BYTES
                    + " bytes, but this one has " + seed.length);
        }
        key = new Ed25519PrivateKeyParameters(seed, 0);
    }

    /**
     * Creates a signer from a configured seed.
     *
     * @throws IllegalArgumentException unless {@code seed} is the padded standard base64 of 32 bytes
     */
    public static Ed25519Signer ofBase64(String seed) {
        return new Ed25519Signer(StrictBase64.decode(seed, SEED_BYTES)
                .orElseThrow(() -> new IllegalArgumentException("an Ed25519 private key must be a seed of " + SEED_BYTES
                        + " raw bytes in padded standard base64 (44 characters), but "
                        + (seed.length() == BASE64_CHARS
                                ? "this text of 44 characters is not that"
                                : "this one has " + seed.length() + " characters"))));
    }

    @Override
    public String sign(byte[] canonical) {
        return signMessage(Sha256.of(canonical));
    }

    @Override
    public String signMessage(byte[] message) {
        byte[] signature = new byte[Ed25519.SIGNATURE_SIZE];
        key.sign(Ed25519.Algorithm.Ed25519, null, message, 0, message.length, signature, 0);
        return StrictBase64.encode(signature);
    }

    /** Returns the public key in the form that {@link SignatureCheck} accepts: 32 raw bytes in base64. */
    public String publicKeyBase64() {
        return StrictBase64.encode(key.generatePublicKey().getEncoded());
    }

    /** Returns the id by which a {@link SignatureCheck} with the public key identifies the key. */
    @Override
    public KeyId keyId() {
        return new PublicKey(key.generatePublicKey()).keyId();
    }

    /** A public key, which verifies the signatures of an {@link Ed25519Signer}. */
    static final class PublicKey implements SignatureCheck.Key {
        private final Ed25519PublicKeyParameters key;
        private final KeyId id;

        PublicKey(Ed25519PublicKeyParameters key) {
            this.key = key;
            this.id = new KeyId(HexFormat.of().formatHex(Sha256.of(key.getEncoded()), 0, 4));
        }

        /** Parses 32 raw bytes in base64. */
        static PublicKey parse(String base64) {
            byte[] raw = StrictBase64.decode(base64, Ed25519.PUBLIC_KEY_SIZE)
                    .orElseThrow(() -> new IllegalArgumentException("an Ed25519 public key must be "
                            + Ed25519.PUBLIC_KEY_SIZE
                            + " raw bytes in padded standard base64 (44 characters), but this one has "
                            + base64.length() + " characters"));
            // With a public key of small order, anyone could forge signatures. One such key is AAAA… in base64, a text
            // that may also be a placeholder.
            if (!Ed25519.validatePublicKeyFull(raw, 0)) {
                throw new IllegalArgumentException(
                        "this Ed25519 public key has the right length but is invalid: is it another kind of key, or"
                                + " a placeholder?");
            }
            return new PublicKey(new Ed25519PublicKeyParameters(raw, 0));
        }

        @Override
        public KeyId keyId() {
            return id;
        }

        @Override
        public CandidateKey candidate() {
            return CandidateKey.publicKey(StrictBase64.encode(key.getEncoded()));
        }

        @Override
        public boolean verifies(byte[] canonical, String sig) {
            return verifiesMessage(Sha256.of(canonical), sig);
        }

        @Override
        public boolean verifiesMessage(byte[] message, String sig) {
            return StrictBase64.decode(sig, Ed25519.SIGNATURE_SIZE)
                    .filter(bytes -> key.verify(Ed25519.Algorithm.Ed25519, null, message, 0, message.length, bytes, 0))
                    .isPresent();
        }
    }
}
