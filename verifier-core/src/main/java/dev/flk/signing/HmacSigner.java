// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing;

import dev.flk.signing.SignatureCheck.KeyId;
import dev.flk.signing.SignatureCheck.StrictBase64;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.util.HexFormat;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** A shared secret that both signs and verifies: HMAC-SHA256 over a certificate's canonical form, or over a message. */
public final class HmacSigner implements SigningKey, SignatureCheck.Key {
    private static final String ALGORITHM = "HmacSHA256";

    /**
     * The text whose HMAC is the key's id. The text is neither a canonical form nor a signature base, so the id is
     * never part of a valid signature.
     */
    private static final byte[] ID_TEXT = "flk-key-id".getBytes(StandardCharsets.US_ASCII);

    /**
     * An instance that is initialised with the key and never updated: each use works on a clone, which costs less than
     * looking up the algorithm.
     */
    private final Mac keyed;

    private final String secret;
    private final KeyId id;

    /**
     * Creates a signer.
     *
     * @param secret the text whose UTF-8 bytes are the key
     * @throws IllegalArgumentException if {@code secret} is empty
     */
    public HmacSigner(String secret) {
        if (secret.isEmpty()) {
            throw new IllegalArgumentException("an HMAC secret is empty: it must have at least one character");
        }
        this.secret = secret;
        keyed = keyed(secret.getBytes(StandardCharsets.UTF_8));
        id = new KeyId(HexFormat.of().formatHex(mac(ID_TEXT), 0, 4));
    }

    /** Returns an HMAC-SHA256 that is initialised with {@code key}. */
    static Mac keyed(byte[] key) {
        try {
            Mac mac = Mac.getInstance(ALGORITHM);
            mac.init(new SecretKeySpec(key, ALGORITHM));
            return mac;
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("this Java platform has no " + ALGORITHM, e);
        }
    }

    private byte[] mac(byte[] message) {
        try {
            return ((Mac) keyed.clone()).doFinal(message);
        } catch (CloneNotSupportedException e) {
            throw new IllegalStateException("this Java platform can't clone an " + ALGORITHM, e);
        }
    }

    @Override
    public String sign(byte[] canonical) {
        return signMessage(canonical);
    }

    @Override
    public String signMessage(byte[] message) {
        return StrictBase64.encode(mac(message));
    }

    /** Returns the id by which a {@link SignatureCheck} with the same secret identifies the key. */
    @Override
    public KeyId keyId() {
        return id;
    }

    @Override
    public CandidateKey candidate() {
        return CandidateKey.secret(secret);
    }

    @Override
    public boolean verifies(byte[] canonical, String sig) {
        return verifiesMessage(canonical, sig);
    }

    @Override
    public boolean verifiesMessage(byte[] message, String sig) {
        // only one spelling of the MAC is valid, so the texts are compared without decoding
        return StrictBase64.isOf(sig, mac(message));
    }
}
