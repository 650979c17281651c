// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing;

import dev.flk.signing.SignatureCheck.KeyId;

/** A key that signs certificates and messages. Implementations are immutable and thread-safe. */
public sealed interface SigningKey extends Signer permits HmacSigner, Ed25519Signer {
    /** Returns the id by which a {@link SignatureCheck} identifies the key. */
    KeyId keyId();

    /**
     * Returns the signature of a message in padded base64 with the standard alphabet. The signature covers the bytes of
     * the message, never their digest. The message must not be the canonical form of a certificate or 32 bytes long,
     * because its signature could then pass for the signature of a certificate.
     */
    String signMessage(byte[] message);
}
