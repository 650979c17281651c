// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.tls;

import dev.flk.backend.files.ConfiguredFile.Unusable;
import dev.flk.backend.files.Stamps;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
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

/**
 * What a backend shows and whom it trusts, read from its files and found to fit together. Immutable; safe for any thread.
 *
 * <p>TLS 1.3 and 1.2, and of that only what has forward secrecy and authenticated encryption; no client begins anew on the same
 * connection. Sessions can be resumed for an hour,
 * with this identity only: after another was read, each client shows its certificate again.
 */
final class TlsIdentity {
    private static final String[] PROTOCOLS = {"TLSv1.3", "TLSv1.2"};
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
    private static final int SESSION_SECONDS = 3600;
    private static final int MAX_SESSIONS = 2_000;
    private static final char[] NO_PASSWORD = new char[0];

    static {
        // the JDK reads it once, before the first handshake of the process
        System.setProperty("jdk.tls.rejectClientInitiatedRenegotiation", "true");
    }

    private final SSLContext context;
    private final String[] cipherSuites;
    private final List<X509Certificate> chain;
    private final boolean clientsShow;

    private TlsIdentity(SSLContext context, List<X509Certificate> chain, boolean clientsShow) {
        this.context = context;
        this.chain = List.copyOf(chain);
        this.clientsShow = clientsShow;
        List<String> supported =
                Arrays.asList(context.getSupportedSSLParameters().getCipherSuites());
        this.cipherSuites = CIPHER_SUITES.stream().filter(supported::contains).toArray(String[]::new);
    }

    /**
     * Reads the files.
     *
     * @param stamps get each file before it is read, also if it can't be
     * @throws InvalidTlsException with all that is wrong
     */
    static TlsIdentity read(TlsFiles files, Stamps stamps) throws InvalidTlsException {
        List<String> problems = new ArrayList<>();
        List<X509Certificate> chain = certificates("TLS_CERT", files.certificate(), stamps, problems);
        Optional<PrivateKey> key = key(files, stamps, chain, problems);
        List<X509Certificate> authorities = files.clientAuthorities().isEmpty()
                ? List.of()
                : certificates("TLS_CLIENT_CA", files.clientAuthorities().get(), stamps, problems);
        if (problems.isEmpty()) {
            try {
                return new TlsIdentity(context(chain, key.orElseThrow(), authorities), chain, !authorities.isEmpty());
            } catch (GeneralSecurityException | IOException e) {
                problems.add("TLS_CERT: " + files.certificate() + ": can't be used: " + e.getMessage());
            }
        }
        throw new InvalidTlsException(problems);
    }

    private static List<X509Certificate> certificates(String setting, Path file, Stamps stamps, List<String> problems) {
        stamps.add(file);
        try {
            CertificateFactory factory = CertificateFactory.getInstance("X.509");
            List<X509Certificate> certificates = new ArrayList<>();
            for (PemBlock block : PemBlock.read(file)) {
                if (block.label().equals("CERTIFICATE")) {
                    certificates.add(
                            (X509Certificate) factory.generateCertificate(new ByteArrayInputStream(block.content())));
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

    private static Optional<PrivateKey> key(
            TlsFiles files, Stamps stamps, List<X509Certificate> chain, List<String> problems) {
        stamps.add(files.key());
        try {
            PrivateKey key = PrivateKeyFile.read(files.key());
            if (!chain.isEmpty()
                    && !PrivateKeyFile.belongTogether(key, chain.get(0).getPublicKey())) {
                throw new Unusable("is not the key of the first certificate of TLS_CERT ("
                        + chain.get(0).getSubjectX500Principal() + "); the backend's own comes first there, its"
                        + " authorities after it");
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

    /** For one connection. */
    SSLEngine newEngine() {
        SSLEngine engine = context.createSSLEngine();
        engine.setUseClientMode(false);
        SSLParameters parameters = engine.getSSLParameters();
        parameters.setProtocols(PROTOCOLS);
        parameters.setCipherSuites(cipherSuites);
        parameters.setUseCipherSuitesOrder(true);
        parameters.setNeedClientAuth(clientsShow);
        engine.setSSLParameters(parameters);
        return engine;
    }

    /** From when on all of the chain is valid. */
    Instant notBefore() {
        return chain.stream()
                .map(each -> each.getNotBefore().toInstant())
                .max(Instant::compareTo)
                .orElseThrow();
    }

    /** Until when all of the chain is valid. */
    Instant notAfter() {
        return chain.stream()
                .map(each -> each.getNotAfter().toInstant())
                .min(Instant::compareTo)
                .orElseThrow();
    }

    boolean isValidAt(Instant time) {
        return !time.isBefore(notBefore()) && !time.isAfter(notAfter());
    }

    /** Who it is, and for how long, for a line of the log. */
    @Override
    public String toString() {
        return "%s, valid from %s until %s%s"
                .formatted(
                        chain.get(0).getSubjectX500Principal(),
                        notBefore(),
                        notAfter(),
                        clientsShow ? ", clients must show one of TLS_CLIENT_CA" : "");
    }
}
