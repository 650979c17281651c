// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing;

import dev.flk.canonical.Sha256;
import dev.flk.signing.SignatureCheck.KeyId;
import dev.flk.signing.SignatureCheck.StrictBase64;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import org.bouncycastle.crypto.params.Ed25519PublicKeyParameters;
import org.bouncycastle.math.ec.rfc8032.Ed25519;

/**
 * A key that a diagnosis tests if a signature does not verify. The key may have made this signature after all, for
 * example if the signer used the key in a wrong way. No method discloses the key.
 */
public final class CandidateKey {
    private final KeyId id;
    private final SigningAlgorithm algorithm;
    private final List<String> secrets;
    private final byte[] publicKey;

    /** The way in which a secret's text was converted before it was used. */
    public enum KeyForm {
        AS_CONFIGURED,
        /** The text was decoded from base64 or hex. */
        DECODED,
        /** A line ending was appended to the text, or the white space around it was removed. */
        OTHER_WHITE_SPACE
    }

    /** The way in which the signed bytes are derived from a text: the text itself, its digest, or its digest in hex. */
    public enum Message {
        TEXT,
        SHA256,
        SHA256_IN_HEX;

        /** Returns the message that a correct signature of a certificate covers if this algorithm is used. */
        public static Message ofCertificates(SigningAlgorithm algorithm) {
            return algorithm == SigningAlgorithm.HMAC ? TEXT : SHA256;
        }

        private byte[] of(byte[] text) {
            return switch (this) {
                case TEXT -> text;
                case SHA256 -> Sha256.of(text);
                case SHA256_IN_HEX -> HexFormat.of().formatHex(Sha256.of(text)).getBytes(StandardCharsets.US_ASCII);
            };
        }
    }

    private CandidateKey(KeyId id, SigningAlgorithm algorithm, List<String> secrets, byte[] publicKey) {
        this.id = id;
        this.algorithm = algorithm;
        this.secrets = List.copyOf(secrets);
        this.publicKey = publicKey;
    }

    /**
     * Returns a key from an HMAC secret.
     *
     * @throws IllegalArgumentException if {@code secret} is empty
     */
    public static CandidateKey secret(String secret) {
        return new CandidateKey(new HmacSigner(secret).keyId(), SigningAlgorithm.HMAC, List.of(secret), new byte[0]);
    }

    /**
     * Returns a key from an Ed25519 public key.
     *
     * @throws IllegalArgumentException unless {@code base64} is a valid key, 32 bytes in base64
     */
    public static CandidateKey publicKey(String base64) {
        return new CandidateKey(
                Ed25519Signer.PublicKey.parse(base64).keyId(),
                SigningAlgorithm.ED25519,
                List.of(base64),
                decoded(base64));
    }

    /**
     * Returns a key from an Ed25519 private key. The corresponding public key is computed.
     *
     * @throws IllegalArgumentException unless {@code seedBase64} is the base64 of 32 bytes
     */
    public static CandidateKey privateKey(String seedBase64) {
        Ed25519Signer signer = Ed25519Signer.ofBase64(seedBase64);
        String publicKey = signer.publicKeyBase64();
        return new CandidateKey(
                signer.keyId(), SigningAlgorithm.ED25519, List.of(publicKey, seedBase64), decoded(publicKey));
    }

    private static byte[] decoded(String publicKey) {
        return StrictBase64.decode(publicKey, Ed25519.PUBLIC_KEY_SIZE).orElseThrow();
    }

    public KeyId id() {
        return id;
    }

    /** Returns the algorithm that the key is meant for. */
    public SigningAlgorithm algorithm() {
        return algorithm;
    }

    /**
     * Returns whether the key made exactly this signature of {@code text} if it is used with this algorithm, form and
     * message. An Ed25519 key can be used with HMAC: its base64 texts are then tried as secrets. An HMAC secret used
     * with Ed25519 never matches.
     */
    public boolean made(byte[] signature, byte[] text, SigningAlgorithm with, KeyForm form, Message message) {
        byte[] signed = message.of(text);
        if (with == SigningAlgorithm.ED25519) {
            return algorithm == SigningAlgorithm.ED25519
                    && form == KeyForm.AS_CONFIGURED
                    && signature.length == Ed25519.SIGNATURE_SIZE
                    && new Ed25519PublicKeyParameters(publicKey, 0)
                            .verify(Ed25519.Algorithm.Ed25519, null, signed, 0, signed.length, signature, 0);
        }
        return secrets.stream()
                .flatMap(secret -> bytes(secret, form).stream())
                .filter(key -> key.length > 0)
                .anyMatch(key ->
                        MessageDigest.isEqual(signature, HmacSigner.keyed(key).doFinal(signed)));
    }

    private static List<byte[]> bytes(String secret, KeyForm form) {
        return switch (form) {
            case AS_CONFIGURED -> List.of(utf8(secret));
            case DECODED -> decodings(secret.strip());
            case OTHER_WHITE_SPACE -> List.of(utf8(secret + "\n"), utf8(secret + "\r\n"), utf8(secret.strip()));
        };
    }

    private static List<byte[]> decodings(String text) {
        List<byte[]> found = new ArrayList<>();
        try {
            found.add(Base64.getDecoder().decode(text.replace('-', '+').replace('_', '/')));
        } catch (IllegalArgumentException e) {
            // not base64
        }
        try {
            found.add(HexFormat.of().parseHex(text));
        } catch (IllegalArgumentException e) {
            // not hex
        }
        return found;
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
