// SPDX-License-Identifier: Apache-2.0
package dev.flk.testkit;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.math.BigInteger;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import java.util.Base64;
import java.util.Date;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.bouncycastle.asn1.ASN1EncodableVector;
import org.bouncycastle.asn1.ASN1Integer;
import org.bouncycastle.asn1.DERBitString;
import org.bouncycastle.asn1.DERSequence;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.ExtensionsGenerator;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.asn1.x509.TBSCertificate;
import org.bouncycastle.asn1.x509.Time;
import org.bouncycastle.asn1.x509.V3TBSCertificateGenerator;
import org.bouncycastle.asn1.x9.X9ObjectIdentifiers;

/** A certificate authority for tests. */
public final class TestAuthority {
    private static final AlgorithmIdentifier ECDSA = new AlgorithmIdentifier(X9ObjectIdentifiers.ecdsa_with_SHA256);
    private static final Duration USUAL = Duration.ofDays(30);

    private final Issued own;

    private TestAuthority(Issued own) {
        this.own = own;
    }

    /** A private key with its certificate. */
    public record Issued(PrivateKey key, X509Certificate certificate) {
        public String certificatePem() {
            try {
                return pem("CERTIFICATE", certificate.getEncoded());
            } catch (GeneralSecurityException e) {
                throw new IllegalStateException(e);
            }
        }

        /** Returns the private key as PKCS#8 in PEM. */
        public String keyPem() {
            return pem("PRIVATE KEY", key.getEncoded());
        }

        /** Writes {@code name.crt} and {@code name.key}; only the owner may read the key. */
        public Issued writeTo(Path directory, String name) throws IOException {
            Path keyFile = directory.resolve(name + ".key");
            Files.deleteIfExists(keyFile);
            Files.createFile(
                    keyFile, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
            Files.writeString(keyFile, keyPem());
            Files.writeString(directory.resolve(name + ".crt"), certificatePem());
            return this;
        }
    }

    public static TestAuthority named(String name) {
        KeyPair pair = newPair();
        return new TestAuthority(
                new Issued(pair.getPrivate(), sign(name, name, pair, pair, lately(), lately().plus(USUAL))));
    }

    /**
     * Issues a certificate that is valid for some weeks and for names such as {@code localhost} or {@code 127.0.0.1}.
     */
    public Issued issue(String name, String... names) {
        return issue(name, lately(), lately().plus(USUAL), names);
    }

    /** Issues a certificate that is valid in this period. */
    public Issued issue(String name, Instant from, Instant until, String... names) {
        KeyPair pair = newPair();
        String issuer = own.certificate().getSubjectX500Principal().getName().substring("CN=".length());
        KeyPair signing = new KeyPair(own.certificate().getPublicKey(), own.key());
        return new Issued(pair.getPrivate(), sign(name, issuer, pair, signing, from, until, names));
    }

    /** Issues a certificate that expired a day ago. */
    public Issued issueEnded(String name, String... names) {
        return issue(name, lately().minus(USUAL), Instant.now().minus(Duration.ofDays(1)), names);
    }

    public String pem() {
        return own.certificatePem();
    }

    public Path writeTo(Path file) throws IOException {
        return Files.writeString(file, pem());
    }

    /**
     * Returns the context of a client or server that trusts only this authority and presents {@code shown}, if given.
     */
    public SSLContext context(Issued... shown) {
        try {
            KeyStore keys = emptyStore();
            for (Issued each : shown) {
                keys.setKeyEntry("own", each.key(), new char[0], new X509Certificate[] {each.certificate()});
            }
            KeyManagerFactory keyManagers = KeyManagerFactory.getInstance("SunX509");
            keyManagers.init(keys, new char[0]);
            KeyStore trusted = emptyStore();
            trusted.setCertificateEntry("authority", own.certificate());
            TrustManagerFactory trustManagers = TrustManagerFactory.getInstance("PKIX");
            trustManagers.init(trusted);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(keyManagers.getKeyManagers(), trustManagers.getTrustManagers(), null);
            return context;
        } catch (GeneralSecurityException | IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private static KeyStore emptyStore() throws GeneralSecurityException, IOException {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        return store;
    }

    /** Returns a time in the recent past, because the clocks of the two sides may differ. */
    private static Instant lately() {
        return Instant.now().minus(Duration.ofHours(1)).truncatedTo(ChronoUnit.SECONDS);
    }

    private static KeyPair newPair() {
        try {
            KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
            generator.initialize(256);
            return generator.generateKeyPair();
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }

    private static X509Certificate sign(
            String subject, String issuer, KeyPair own, KeyPair signing, Instant from, Instant until, String... names) {
        try {
            V3TBSCertificateGenerator generator = new V3TBSCertificateGenerator();
            generator.setSerialNumber(new ASN1Integer(new BigInteger(64, new SecureRandom()).add(BigInteger.ONE)));
            generator.setIssuer(new X500Name("CN=" + issuer));
            generator.setSubject(new X500Name("CN=" + subject));
            generator.setStartDate(new Time(Date.from(from)));
            generator.setEndDate(new Time(Date.from(until)));
            generator.setSignature(ECDSA);
            generator.setSubjectPublicKeyInfo(
                    SubjectPublicKeyInfo.getInstance(own.getPublic().getEncoded()));
            ExtensionsGenerator extensions = new ExtensionsGenerator();
            extensions.addExtension(Extension.basicConstraints, true, new BasicConstraints(own.equals(signing)));
            if (names.length > 0) {
                extensions.addExtension(
                        Extension.subjectAlternativeName,
                        false,
                        new GeneralNames(Arrays.stream(names)
                                .map(TestAuthority::generalName)
                                .toArray(GeneralName[]::new)));
            }
            generator.setExtensions(extensions.generate());
            TBSCertificate content = generator.generateTBSCertificate();
            Signature signature = Signature.getInstance("SHA256withECDSA");
            signature.initSign(signing.getPrivate());
            signature.update(content.getEncoded());
            ASN1EncodableVector complete = new ASN1EncodableVector();
            complete.add(content);
            complete.add(ECDSA);
            complete.add(new DERBitString(signature.sign()));
            return (X509Certificate) CertificateFactory.getInstance("X.509")
                    .generateCertificate(new ByteArrayInputStream(new DERSequence(complete).getEncoded()));
        } catch (GeneralSecurityException | IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private static GeneralName generalName(String name) {
        boolean isAddress = name.matches("[0-9.]+|.*:.*");
        try {
            return new GeneralName(
                    isAddress ? GeneralName.iPAddress : GeneralName.dNSName,
                    isAddress ? InetAddress.getByName(name).getHostAddress() : name);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private static String pem(String kind, byte[] content) {
        String body = Base64.getMimeEncoder(64, "\n".getBytes(StandardCharsets.US_ASCII))
                .encodeToString(content);
        return "-----BEGIN " + kind + "-----\n" + body + "\n-----END " + kind + "-----\n";
    }
}
