// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.tls;

import dev.flk.backend.files.ConfiguredFile;
import dev.flk.backend.files.ConfiguredFile.Unusable;
import java.io.IOException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.List;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.DERNull;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.asn1.pkcs.RSAPrivateKey;
import org.bouncycastle.asn1.sec.ECPrivateKey;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x9.X9ObjectIdentifiers;

/**
 * Reads the private key of a server: PKCS#8 ({@code PRIVATE KEY}), and the older forms that OpenSSL and cert-manager write, PKCS#1 ({@code RSA
 * PRIVATE KEY}) and RFC 5915 ({@code EC PRIVATE KEY}). No message quotes what was read.
 */
final class PrivateKeyFile {
    private static final byte[] PROBE = {1, 2, 3};

    private PrivateKeyFile() {}

    static PrivateKey read(Path file) throws Unusable {
        List<PemBlock> keys = PemBlock.read(file).stream()
                .filter(block -> block.label().endsWith("PRIVATE KEY"))
                .toList();
        ConfiguredFile.forbid(
                file,
                PosixFilePermission.OTHERS_READ,
                "can be read by everybody; chmod o-rwx it, and make a new key if somebody may have read it");
        ConfiguredFile.forbid(file, PosixFilePermission.OTHERS_WRITE, "can be written by everybody; chmod o-rwx it");
        if (keys.size() != 1) {
            throw new Unusable(keys.isEmpty() ? "has no private key" : "has more than one private key");
        }
        PemBlock key = keys.get(0);
        if (key.label().startsWith("ENCRYPTED") || key.text().contains("ENCRYPTED")) {
            throw new Unusable(
                    "has a key with a password, which nobody could type at a start; take that away: openssl pkcs8"
                            + " -topk8 -nocrypt -in OLD -out NEW");
        }
        try {
            PrivateKeyInfo info = info(key.label(), key.content());
            ASN1ObjectIdentifier algorithm = info.getPrivateKeyAlgorithm().getAlgorithm();
            // the one that the JDK does not know by this name
            String name = algorithm.equals(X9ObjectIdentifiers.id_ecPublicKey) ? "EC" : algorithm.getId();
            return KeyFactory.getInstance(name).generatePrivate(new PKCS8EncodedKeySpec(info.getEncoded()));
        } catch (IOException | GeneralSecurityException | IllegalArgumentException | IllegalStateException e) {
            throw new Unusable(
                    "has a " + key.label()
                            + " that can't be read; it must be an RSA, EC or Ed25519 key: openssl pkey -in FILE -check tells more");
        }
    }

    private static PrivateKeyInfo info(String label, byte[] content) throws IOException, Unusable {
        return switch (label) {
            case "PRIVATE KEY" -> PrivateKeyInfo.getInstance(content);
            case "RSA PRIVATE KEY" ->
                new PrivateKeyInfo(
                        new AlgorithmIdentifier(PKCSObjectIdentifiers.rsaEncryption, DERNull.INSTANCE),
                        RSAPrivateKey.getInstance(content));
            case "EC PRIVATE KEY" -> {
                ECPrivateKey key = ECPrivateKey.getInstance(content);
                yield new PrivateKeyInfo(
                        new AlgorithmIdentifier(X9ObjectIdentifiers.id_ecPublicKey, key.getParametersObject()), key);
            }
            default -> throw new Unusable("has a " + label + "; it must be an RSA, EC or Ed25519 key");
        };
    }

    /** Whether the two halves are of one pair: what the one signs, the other finds good. */
    static boolean belongTogether(PrivateKey own, PublicKey shown) throws Unusable {
        String algorithm = switch (shown.getAlgorithm()) {
            case "RSA" -> "SHA256withRSA";
            case "EC" -> "SHA256withECDSA";
            case "EdDSA", "Ed25519", "Ed448" -> "EdDSA";
            default ->
                throw new Unusable(
                        "has a certificate for a " + shown.getAlgorithm() + " key; it must be RSA, EC or Ed25519");
        };
        try {
            Signature signature = Signature.getInstance(algorithm);
            signature.initSign(own);
            signature.update(PROBE);
            byte[] signed = signature.sign();
            signature.initVerify(shown);
            signature.update(PROBE);
            return signature.verify(signed);
        } catch (GeneralSecurityException e) {
            return false; // keys of different kinds, or sizes
        }
    }
}
