// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import org.bouncycastle.crypto.params.Ed25519PublicKeyParameters;
import org.bouncycastle.math.ec.rfc8032.Ed25519;

/** A public key: Ed25519 over the SHA-256 digest of the canonical form. */
final class Ed25519Key implements VerifyingKey {
    private final Ed25519PublicKeyParameters key;
    private final KeyId id;

    Ed25519Key(Ed25519PublicKeyParameters key) {
        this.key = key;
        this.id = new KeyId(HexFormat.of().formatHex(sha256(key.getEncoded()), 0, 4));
    }

    /** Reads the 32 raw bytes in base64. */
    static Ed25519Key parse(String base64) {
        byte[] raw = StrictBase64.decode(base64, Ed25519.PUBLIC_KEY_SIZE)
                .orElseThrow(() -> new IllegalArgumentException("an Ed25519 public key must be "
                        + Ed25519.PUBLIC_KEY_SIZE + " raw bytes in padded standard base64 (44 characters), this has "
                        + base64.length() + " characters"));
        try {
            return new Ed25519Key(new Ed25519PublicKeyParameters(raw, 0));
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    "an Ed25519 public key of the right length is no point of the curve: is it another kind of key?",
                    e);
        }
    }

    static byte[] sha256(byte[] bytes) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(bytes);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    @Override
    public KeyId id() {
        return id;
    }

    @Override
    public boolean verifies(byte[] canonical, String sig) {
        byte[] digest = sha256(canonical);
        return StrictBase64.decode(sig, Ed25519.SIGNATURE_SIZE)
                .filter(bytes -> key.verify(Ed25519.Algorithm.Ed25519, null, digest, 0, digest.length, bytes, 0))
                .isPresent();
    }
}
