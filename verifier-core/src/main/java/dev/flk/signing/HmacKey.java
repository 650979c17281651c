// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** A shared secret: HMAC-SHA256 with the secret's UTF-8 bytes as the key. */
final class HmacKey implements VerifyingKey {
    private static final String ALGORITHM = "HmacSHA256";
    private static final int MAC_BYTES = 32;

    /** No canonical form looks like this, so that the id is no signature of anything. */
    private static final byte[] ID_TEXT = "flk-key-id".getBytes(StandardCharsets.US_ASCII);

    /** Keyed once and never updated; each use works on a clone, which costs less than looking the algorithm up. */
    private final Mac keyed;

    private final String secret;
    private final KeyId id;

    HmacKey(String secret) {
        if (secret.isEmpty()) {
            throw new IllegalArgumentException("an HMAC secret is empty: give at least one character");
        }
        this.secret = secret;
        try {
            keyed = Mac.getInstance(ALGORITHM);
            keyed.init(new SecretKeySpec(secret.getBytes(StandardCharsets.UTF_8), ALGORITHM));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every Java platform has " + ALGORITHM, e);
        }
        id = new KeyId(HexFormat.of().formatHex(Arrays.copyOf(mac(ID_TEXT), 4)));
    }

    byte[] mac(byte[] canonical) {
        try {
            return ((Mac) keyed.clone()).doFinal(canonical);
        } catch (CloneNotSupportedException e) {
            throw new IllegalStateException("the platform's " + ALGORITHM + " can't be cloned", e);
        }
    }

    @Override
    public KeyId id() {
        return id;
    }

    @Override
    public SuspectKey suspect() {
        return SuspectKey.secret(secret);
    }

    @Override
    public boolean verifies(byte[] canonical, String sig) {
        return StrictBase64.decode(sig, MAC_BYTES)
                .filter(mac -> MessageDigest.isEqual(mac, mac(canonical)))
                .isPresent();
    }
}
