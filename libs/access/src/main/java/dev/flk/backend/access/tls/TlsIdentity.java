// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.tls;

import dev.flk.program.reload.ConfiguredFile;
import dev.flk.program.reload.ConfiguredFile.InvalidFileException;
import dev.flk.program.reload.ConfiguredFile.Unusable;
import dev.flk.program.reload.FileFingerprints;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.TrustManagerFactory;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.DERNull;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.asn1.pkcs.RSAPrivateKey;
import org.bouncycastle.asn1.sec.ECPrivateKey;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x9.X9ObjectIdentifiers;
import org.bouncycastle.util.io.pem.PemObject;
import org.bouncycastle.util.io.pem.PemReader;

/**
 * The certificate of a backend, the private key of this certificate, and the authorities whose client certificates the
 * backend accepts. Immutable; safe for any thread.
 *
 * <p>TLS 1.3 and TLS 1.2 are supported, TLS 1.2 only with forward secrecy and authenticated encryption. Clients can't
 * start a renegotiation. Sessions can be resumed for an hour, but only with the same identity: after new files were
 * read, each client presents its certificate again.
 */
public final class TlsIdentity {
    private static final List<String> PROTOCOLS = List.of("TLSv1.3", "TLSv1.2");
    private static final List<String> CIPHER_SUITES = List.of(
            "TLS_AES_256_GCM_SHA384",
            "TLS_AES_128_GCM_SHA256",
            "TLS_CHACHA20_POLY1305_SHA256",
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256");
    private static final int MAX_PEM_BYTES = 1 << 20;
    private static final int SESSION_SECONDS = 3600;
    private static final int MAX_SESSIONS = 2_000;
    private static final char[] NO_PASSWORD = new char[0];

    static {
        // the JDK reads this property once, before the first handshake of the process
        System.setProperty("jdk.tls.rejectClientInitiatedRenegotiation", "true");
    }

    private final SSLContext context;
    private final List<String> cipherSuites;
    private final List<X509Certificate> chain;
    private final boolean clientsShow;

    private TlsIdentity(SSLContext context, List<X509Certificate> chain, boolean clientsShow) {
        this.context = context;
        this.chain = List.copyOf(chain);
        this.clientsShow = clientsShow;
        List<String> supported =
                Arrays.asList(context.getSupportedSSLParameters().getCipherSuites());
        this.cipherSuites = CIPHER_SUITES.stream().filter(supported::contains).toList();
    }

    /** Returns the context, for callers that create their own engines. */
    public SSLContext context() {
        return context;
    }

    public List<String> cipherSuites() {
        return cipherSuites;
    }

    public List<String> protocols() {
        return PROTOCOLS;
    }

    /** Returns whether each client must present a certificate. */
    public boolean clientsShow() {
        return clientsShow;
    }

    /**
     * Reads the files.
     *
     * @param fingerprints the fingerprints, to which each file is added before it is read, even if the file can't be
     *     read
     * @throws InvalidFileException with all problems of the files
     */
    static TlsIdentity read(TlsFiles files, FileFingerprints fingerprints) throws InvalidFileException {
        List<String> problems = new ArrayList<>();
        List<X509Certificate> chain = certificates("TLS_CERT", files.certificate(), fingerprints, problems);
        Optional<PrivateKey> key = key(files, fingerprints, chain, problems);
        List<X509Certificate> authorities = files.clientAuthorities().isEmpty()
                ? List.of()
                : certificates("TLS_CLIENT_CA", files.clientAuthorities().get(), fingerprints, problems);
        if (problems.isEmpty()) {
            try {
                return new TlsIdentity(context(chain, key.orElseThrow(), authorities), chain, !authorities.isEmpty());
            } catch (GeneralSecurityException | IOException e) {
                problems.add("TLS_CERT: " + files.certificate() + ": can't be used: " + e.getMessage());
            }
        }
        throw new InvalidFileException(problems);
    }

    /** Returns the certificates of a file; if it can't be used, adds the problem to {@code problems}. */
    static List<X509Certificate> certificates(
            String setting, Path file, FileFingerprints fingerprints, List<String> problems) {
        fingerprints.add(file);
        try {
            CertificateFactory factory = CertificateFactory.getInstance("X.509");
            List<X509Certificate> certificates = new ArrayList<>();
            for (PemObject block : pem(file)) {
                if (block.getType().equals("CERTIFICATE")) {
                    certificates.add((X509Certificate)
                            factory.generateCertificate(new ByteArrayInputStream(block.getContent())));
                }
            }
            if (certificates.isEmpty()) {
                throw new Unusable("has no CERTIFICATE");
            }
            return certificates;
        } catch (Unusable e) {
            problems.add(setting + ": " + file + ": it " + e.getMessage());
        } catch (CertificateException e) {
            problems.add(setting + ": " + file + ": it has a certificate that can't be read: " + e.getMessage());
        }
        return List.of();
    }

    /** Returns the blocks between lines of BEGIN and END (RFC 7468); ignores other text. */
    private static List<PemObject> pem(Path file) throws Unusable {
        String text = new String(ConfiguredFile.bytes(file, MAX_PEM_BYTES), StandardCharsets.ISO_8859_1);
        List<PemObject> blocks = new ArrayList<>();
        try (PemReader reader = new PemReader(new StringReader(text))) {
            for (PemObject block = reader.readPemObject(); block != null; block = reader.readPemObject()) {
                blocks.add(block);
            }
        } catch (IOException | RuntimeException e) {
            throw new Unusable("is not a PEM file: the text between -----BEGIN and -----END is not base64");
        }
        if (blocks.isEmpty()) {
            throw new Unusable("is not a PEM file: it has no block between -----BEGIN and -----END");
        }
        return blocks;
    }

    private static Optional<PrivateKey> key(
            TlsFiles files, FileFingerprints fingerprints, List<X509Certificate> chain, List<String> problems) {
        fingerprints.add(files.key());
        try {
            PrivateKey key = PrivateKeyFile.read(files.key());
            if (!chain.isEmpty()
                    && !PrivateKeyFile.belongTogether(key, chain.get(0).getPublicKey())) {
                throw new Unusable("is not the key of the first certificate of TLS_CERT ("
                        + chain.get(0).getSubjectX500Principal() + "); in TLS_CERT, put the backend's own"
                        + " certificate first and those of its authorities after it");
            }
            return Optional.of(key);
        } catch (Unusable e) {
            problems.add("TLS_KEY: " + files.key() + ": it " + e.getMessage());
            return Optional.empty();
        }
    }

    private static SSLContext context(List<X509Certificate> chain, PrivateKey key, List<X509Certificate> authorities)
            throws GeneralSecurityException, IOException {
        KeyStore own = emptyStore();
        own.setKeyEntry("own", key, NO_PASSWORD, chain.toArray(X509Certificate[]::new));
        KeyManagerFactory keys = KeyManagerFactory.getInstance("SunX509");
        keys.init(own, NO_PASSWORD);
        KeyStore trusted = emptyStore();
        for (int i = 0; i < authorities.size(); i++) {
            trusted.setCertificateEntry("authority-" + i, authorities.get(i));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(trusted);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        context.getServerSessionContext().setSessionTimeout(SESSION_SECONDS);
        context.getServerSessionContext().setSessionCacheSize(MAX_SESSIONS);
        return context;
    }

    private static KeyStore emptyStore() throws GeneralSecurityException, IOException {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        return store;
    }

    /** Returns an engine for one connection. */
    SSLEngine newEngine() {
        SSLEngine engine = context.createSSLEngine();
        engine.setUseClientMode(false);
        SSLParameters parameters = engine.getSSLParameters();
        parameters.setProtocols(PROTOCOLS.toArray(String[]::new));
        parameters.setCipherSuites(cipherSuites.toArray(String[]::new));
        parameters.setUseCipherSuitesOrder(true);
        parameters.setNeedClientAuth(clientsShow);
        engine.setSSLParameters(parameters);
        return engine;
    }

    /** Returns the first instant at which the whole chain is valid. */
    Instant notBefore() {
        return chain.stream()
                .map(each -> each.getNotBefore().toInstant())
                .max(Instant::compareTo)
                .orElseThrow();
    }

    /** Returns the last instant at which the whole chain is valid. */
    Instant notAfter() {
        return chain.stream()
                .map(each -> each.getNotAfter().toInstant())
                .min(Instant::compareTo)
                .orElseThrow();
    }

    boolean isValidAt(Instant time) {
        return !time.isBefore(notBefore()) && !time.isAfter(notAfter());
    }

    /** Describes the subject and the validity for a log line. */
    @Override
    public String toString() {
        return "%s, valid from %s until %s%s"
                .formatted(
                        chain.get(0).getSubjectX500Principal(),
                        notBefore(),
                        notAfter(),
                        clientsShow ? "; clients must present a certificate signed by TLS_CLIENT_CA" : "");
    }

    /**
     * The reader of a server's private key in PKCS#8 ({@code PRIVATE KEY}) or in the older forms that OpenSSL and
     * cert-manager write, PKCS#1 ({@code RSA PRIVATE KEY}) and RFC 5915 ({@code EC PRIVATE KEY}). No message quotes the
     * content.
     */
    private static final class PrivateKeyFile {
        private static final byte[] PROBE = {1, 2, 3};

        private PrivateKeyFile() {}

        static PrivateKey read(Path file) throws Unusable {
            List<PemObject> keys = pem(file).stream()
                    .filter(block -> block.getType().endsWith("PRIVATE KEY"))
                    .toList();
            ConfiguredFile.forbid(
                    file,
                    PosixFilePermission.OTHERS_READ,
                    "can be read by everyone; chmod o-rwx it, and create a new key if it may have been read");
            ConfiguredFile.forbid(file, PosixFilePermission.OTHERS_WRITE, "can be written by everyone; chmod o-rwx it");
            if (keys.size() != 1) {
                throw new Unusable(keys.isEmpty() ? "has no private key" : "has more than one private key");
            }
            PemObject key = keys.get(0);
            String label = key.getType();
            if (label.startsWith("ENCRYPTED") || !key.getHeaders().isEmpty()) {
                throw new Unusable(
                        "has a key with a password; remove it: openssl pkcs8 -topk8 -nocrypt -in OLD -out NEW");
            }
            try {
                PrivateKeyInfo info = info(label, key.getContent());
                ASN1ObjectIdentifier algorithm = info.getPrivateKeyAlgorithm().getAlgorithm();
                // KeyFactory knows RSA and Ed25519 by their object identifiers, but EC only by its name
                String name = algorithm.equals(X9ObjectIdentifiers.id_ecPublicKey) ? "EC" : algorithm.getId();
                return KeyFactory.getInstance(name).generatePrivate(new PKCS8EncodedKeySpec(info.getEncoded()));
            } catch (IOException | GeneralSecurityException | RuntimeException e) { // Bouncy Castle throws many types
                throw new Unusable("has a " + label
                        + " that can't be read; it must be an RSA, EC or Ed25519 key: openssl pkey -in FILE -check");
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
                            new AlgorithmIdentifier(X9ObjectIdentifiers.id_ecPublicKey, key.getParametersObject()),
                            key);
                }
                default -> throw new Unusable("has a " + label + "; it must be an RSA, EC or Ed25519 key");
            };
        }

        /** Returns whether the keys are a pair: {@code shown} must verify a signature by {@code own}. */
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
                return false; // keys of different kinds or sizes
            }
        }
    }
}
