// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing;

import dev.flk.canonical.Sha256;
import org.bouncycastle.crypto.params.Ed25519PrivateKeyParameters;
import org.bouncycastle.math.ec.rfc8032.Ed25519;

/** Signs with a private key: Ed25519 over the SHA-256 digest of the canonical form. */
public final class Ed25519Signer implements Signer {
    /** Bytes of a private key, which is called its seed. */
    public static final int SEED_BYTES = Ed25519.SECRET_KEY_SIZE;

    private final Ed25519PrivateKeyParameters key;

    /**
     * @param seed the raw private key, copied
     * @throws IllegalArgumentException unless it has 32 bytes
     */
    public Ed25519Signer(byte[] seed) {
        if (seed.length != SEED_BYTES) {
            throw new IllegalArgumentException(
                    "an Ed25519 private key must be its seed of " + SEED_BYTES + " bytes, this has " + seed.length);
        }
        key = new Ed25519PrivateKeyParameters(seed, 0);
    }

    /**
     * Reads a seed from configuration.
     *
     * @throws IllegalArgumentException unless it is the padded standard base64 of 32 bytes
     */
    public static Ed25519Signer ofBase64(String seed) {
        return new Ed25519Signer(StrictBase64.decode(seed, SEED_BYTES)
                .orElseThrow(
                        () -> new IllegalArgumentException("an Ed25519 private key must be its seed of " + SEED_BYTES
                                + " raw bytes in padded standard base64 (44 characters), this has " + seed.length()
                                + " characters")));
    }

    @Override
    public String sign(byte[] canonical) {
        byte[] digest = Sha256.of(canonical);
        byte[] signature = new byte[Ed25519.SIGNATURE_SIZE];
        key.sign(Ed25519.Algorithm.Ed25519, null, digest, 0, digest.length, signature, 0);
        return StrictBase64.encode(signature);
    }

    /** The public key as a {@link SignatureCheck} takes it: 32 raw bytes in base64. */
    public String publicKeyBase64() {
        return StrictBase64.encode(key.generatePublicKey().getEncoded());
    }

    /** The id under which a {@link SignatureCheck} with the public key reports it. */
    public KeyId keyId() {
        return new Ed25519Key(key.generatePublicKey()).id();
    }
}
