// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing;

import dev.flk.canonical.Sha256;
import dev.flk.signing.KeyUse.KeyForm;
import dev.flk.signing.KeyUse.Maker;
import dev.flk.signing.KeyUse.Message;
import dev.flk.signing.KeyUse.Scheme;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.bouncycastle.crypto.params.Ed25519PrivateKeyParameters;
import org.bouncycastle.crypto.params.Ed25519PublicKeyParameters;
import org.bouncycastle.math.ec.rfc8032.Ed25519;

/**
 * A key that may have made a signature that does not verify, in one of the ways in which keys are used by mistake. It never
 * shows itself. One thread's own, with its uses.
 */
public final class SuspectKey {
    private final KeyId id;
    private final SigningAlgorithm algorithm;
    private final List<KeyUse> uses;

    private SuspectKey(KeyId id, SigningAlgorithm algorithm, List<KeyUse> uses) {
        this.id = id;
        this.algorithm = algorithm;
        this.uses = List.copyOf(uses);
    }

    /**
     * A secret for HMAC.
     *
     * @throws IllegalArgumentException if it is empty
     */
    public static SuspectKey secret(String secret) {
        KeyId id = new HmacKey(secret).id();
        List<KeyUse> uses = new ArrayList<>();
        Map<KeyForm, byte[]> forms = SecretForms.of(secret);
        forms.forEach((form, key) -> addHmacs(uses, form, key));
        forms.forEach((form, key) -> {
            if (key.length == Ed25519.SECRET_KEY_SIZE) {
                addEd25519(uses, form, new Ed25519PrivateKeyParameters(key, 0).generatePublicKey());
                if (Ed25519.validatePublicKeyFull(key, 0)) {
                    addEd25519(uses, form, new Ed25519PublicKeyParameters(key, 0));
                }
            }
        });
        return new SuspectKey(id, SigningAlgorithm.HMAC, uses);
    }

    /**
     * A public key for Ed25519.
     *
     * @throws IllegalArgumentException unless it is one, 32 bytes in base64
     */
    public static SuspectKey publicKey(String base64) {
        KeyId id = Ed25519Key.parse(base64).id();
        return ofPair(id, base64, List.of(base64));
    }

    /**
     * A private key for Ed25519, and the public one that belongs to it.
     *
     * @throws IllegalArgumentException unless it is the base64 of 32 bytes
     */
    public static SuspectKey privateKey(String seedBase64) {
        Ed25519Signer signer = Ed25519Signer.ofBase64(seedBase64);
        String publicKey = signer.publicKeyBase64();
        return ofPair(signer.keyId(), publicKey, List.of(publicKey, seedBase64));
    }

    private static SuspectKey ofPair(KeyId id, String publicKey, List<String> asSecrets) {
        List<KeyUse> uses = new ArrayList<>();
        byte[] raw = StrictBase64.decode(publicKey, Ed25519.PUBLIC_KEY_SIZE).orElseThrow();
        addEd25519(uses, KeyForm.AS_CONFIGURED, new Ed25519PublicKeyParameters(raw, 0));
        for (String secret : asSecrets) {
            SecretForms.of(secret).forEach((form, key) -> addHmacs(uses, form, key));
        }
        return new SuspectKey(id, SigningAlgorithm.ED25519, uses);
    }

    /** The uses that need no key: whoever can read a certificate could have made such a signature. */
    public static List<KeyUse> keylessUses() {
        return List.of(new KeyUse(
                Scheme.SHA256,
                KeyForm.AS_CONFIGURED,
                Message.TEXT,
                (signature, message) -> MessageDigest.isEqual(signature, Sha256.of(message))));
    }

    public KeyId id() {
        return id;
    }

    /** What it is a key for. */
    public SigningAlgorithm algorithm() {
        return algorithm;
    }

    /** The uses that make signatures of so many bytes, the right one included. */
    public List<KeyUse> uses(int signatureBytes) {
        return uses.stream()
                .filter(use -> use.scheme().signatureBytes() == signatureBytes)
                .toList();
    }

    private static void addHmacs(List<KeyUse> uses, KeyForm form, byte[] key) {
        Maker sha256 = hmac("HmacSHA256", key);
        for (Message message : Message.values()) {
            uses.add(new KeyUse(Scheme.HMAC_SHA256, form, message, sha256));
        }
        uses.add(new KeyUse(Scheme.HMAC_SHA1, form, Message.TEXT, hmac("HmacSHA1", key)));
        uses.add(new KeyUse(Scheme.HMAC_SHA384, form, Message.TEXT, hmac("HmacSHA384", key)));
        uses.add(new KeyUse(Scheme.HMAC_SHA512, form, Message.TEXT, hmac("HmacSHA512", key)));
    }

    private static Maker hmac(String algorithm, byte[] key) {
        try {
            Mac keyed = Mac.getInstance(algorithm);
            keyed.init(new SecretKeySpec(key, algorithm));
            return (signature, message) -> MessageDigest.isEqual(signature, keyed.doFinal(message));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every Java platform has " + algorithm, e);
        }
    }

    private static void addEd25519(List<KeyUse> uses, KeyForm form, Ed25519PublicKeyParameters key) {
        for (Message message : Message.values()) {
            uses.add(new KeyUse(
                    Scheme.ED25519,
                    form,
                    message,
                    (signature, bytes) ->
                            key.verify(Ed25519.Algorithm.Ed25519, null, bytes, 0, bytes.length, signature, 0)));
        }
    }
}
