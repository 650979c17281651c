// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing;

/** Signs with a shared secret: HMAC-SHA256 over the canonical form. */
public final class HmacSigner implements Signer {
    private final HmacKey key;

    /**
     * @param secret its UTF-8 bytes are the key
     * @throws IllegalArgumentException if it is empty
     */
    public HmacSigner(String secret) {
        key = new HmacKey(secret);
    }

    @Override
    public String sign(byte[] canonical) {
        return StrictBase64.encode(key.mac(canonical));
    }

    /** The id under which a {@link SignatureCheck} with the same secret reports it. */
    public KeyId keyId() {
        return key.id();
    }
}
