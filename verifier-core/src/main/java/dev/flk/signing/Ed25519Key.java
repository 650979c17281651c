// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing;

import dev.flk.canonical.Sha256;
import java.util.HexFormat;
import org.bouncycastle.crypto.params.Ed25519PublicKeyParameters;
import org.bouncycastle.math.ec.rfc8032.Ed25519;

/** A public key: Ed25519 over the SHA-256 digest of the canonical form. */
final class Ed25519Key implements VerifyingKey {
    private final Ed25519PublicKeyParameters key;
    private final KeyId id;

    Ed25519Key(Ed25519PublicKeyParameters key) {
        this.key = key;
        this.id = new KeyId(HexFormat.of().formatHex(Sha256.of(key.getEncoded()), 0, 4));
    }

    /** Reads the 32 raw bytes in base64. */
    static Ed25519Key parse(String base64) {
        byte[] raw = StrictBase64.decode(base64, Ed25519.PUBLIC_KEY_SIZE)
                .orElseThrow(() -> new IllegalArgumentException("an Ed25519 public key must be "
                        + Ed25519.PUBLIC_KEY_SIZE + " raw bytes in padded standard base64 (44 characters), this has "
                        + base64.length() + " characters"));
        // Under a point of small order anyone could sign; the text of all A's is one.
        if (!Ed25519.validatePublicKeyFull(raw, 0)) {
            throw new IllegalArgumentException(
                    "an Ed25519 public key has the right length but is none: is it another kind of key, or a placeholder?");
        }
        return new Ed25519Key(new Ed25519PublicKeyParameters(raw, 0));
    }

    @Override
    public KeyId id() {
        return id;
    }

    @Override
    public SuspectKey suspect() {
        return SuspectKey.publicKey(StrictBase64.encode(key.getEncoded()));
    }

    @Override
    public boolean verifies(byte[] canonical, String sig) {
        byte[] digest = Sha256.of(canonical);
        return StrictBase64.decode(sig, Ed25519.SIGNATURE_SIZE)
                .filter(bytes -> key.verify(Ed25519.Algorithm.Ed25519, null, digest, 0, digest.length, bytes, 0))
                .isPresent();
    }
}
