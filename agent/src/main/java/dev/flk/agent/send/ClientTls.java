// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.config.Settings;
import io.netty.handler.ssl.JdkSslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.security.cert.Certificate;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.SSLSession;

/**
 * The TLS configuration of connections to the backend, which replaces the JDK's default configuration.
 *
 * @param context the context with the trusted authorities and the client certificate
 * @param ownChain the client certificate and its intermediate certificates; empty if there is no client certificate
 * @param authorities the trusted authorities; empty if the JDK's are trusted
 */
public record ClientTls(SSLContext context, List<X509Certificate> ownChain, List<X509Certificate> authorities) {
    private static final Key<String> CA = Key.of(
                    "TLS_CA", Quantities::text, "A PEM file of the authorities to trust instead of the JDK's.")
            .secret();
    private static final Key<String> CERT = Key.of(
                    "TLS_CERT", Quantities::text, "A PEM file with the client certificate.")
            .secret();
    private static final Key<String> KEY = Key.of(
                    "TLS_KEY", Quantities::text, "A PEM file with the key of TLS_CERT, PKCS#8 without a password.")
            .secret();

    /** The settings of TLS connections to the backend. The value of each setting is PEM text. */
    public static final List<Key<?>> KEYS = List.of(CA, CERT, KEY);

    public ClientTls {
        ownChain = List.copyOf(ownChain);
        authorities = List.copyOf(authorities);
    }

    /**
     * Returns the earliest expiry of a certificate in the chain of the client certificate; empty if there is no client
     * certificate.
     */
    Optional<Instant> ownEnd() {
        return end(ownChain.stream());
    }

    /**
     * Returns the TLS configuration. Returns empty if no setting is set; the JDK's authorities are then trusted, and no
     * client certificate is sent. Also returns empty if a setting is invalid; the problem is reported to {@code
     * settings}.
     */
    static Optional<ClientTls> read(Settings settings) {
        Optional<String> authorities = settings.find(CA);
        Optional<String> certificate = settings.find(CERT);
        Optional<String> key = settings.find(KEY);
        boolean certificateGiven = settings.isGiven(CERT);
        if (certificateGiven != settings.isGiven(KEY)) {
            settings.problem("TLS_CERT, TLS_KEY: only one of the two is set; set both or neither");
            return Optional.empty();
        }
        if (certificate.isPresent() != key.isPresent()) {
            return Optional.empty(); // the certificate or the key can't be read; the problem has already been reported
        }
        if (authorities.isEmpty() && certificate.isEmpty()) {
            return Optional.empty();
        }
        SslContextBuilder builder = SslContextBuilder.forClient().sslProvider(SslProvider.JDK);
        boolean trusted = authorities.isEmpty() || trust(settings, builder, authorities.get());
        boolean shown = key.isEmpty() || show(settings, builder, certificate.orElseThrow(), key.get());
        return trusted && shown ? build(settings, builder, certificate, authorities) : Optional.empty();
    }

    private static boolean trust(Settings settings, SslContextBuilder builder, String authorities) {
        try {
            builder.trustManager(pem(authorities));
            return true;
        } catch (IllegalArgumentException e) {
            settings.problem("TLS_CA: can't be used: " + why(e) + "; it must contain certificates in PEM");
            return false;
        }
    }

    private static boolean show(Settings settings, SslContextBuilder builder, String certificate, String key) {
        try {
            builder.keyManager(pem(certificate), pem(key));
            return true;
        } catch (IllegalArgumentException e) {
            // leaves out the message of the exception, which may quote the key
            settings.problem("TLS_CERT, TLS_KEY: can't be used; they must be a certificate and its PKCS#8 key without a"
                    + " password, both in PEM");
            return false;
        }
    }

    private static Optional<ClientTls> build(
            Settings settings, SslContextBuilder builder, Optional<String> certificate, Optional<String> authorities) {
        try {
            return Optional.of(new ClientTls(
                    ((JdkSslContext) builder.build()).context(),
                    certificate.isEmpty() ? List.of() : certificates(certificate.get()),
                    authorities.isEmpty() ? List.of() : certificates(authorities.get())));
        } catch (SSLException | CertificateException | IllegalArgumentException e) {
            settings.problem("TLS_CERT: can't be used: " + why(e));
            return Optional.empty();
        }
    }

    private static List<X509Certificate> certificates(String pem) throws CertificateException {
        return CertificateFactory.getInstance("X.509").generateCertificates(pem(pem)).stream()
                .map(X509Certificate.class::cast)
                .toList();
    }

    private static InputStream pem(String text) {
        return new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8));
    }

    private static String why(Exception e) {
        Throwable cause = e.getCause() == null ? e : e.getCause();
        return String.valueOf(cause.getMessage());
    }

    /** Returns the earliest time at which a certificate in a chain expires; empty for an empty chain. */
    private static Optional<Instant> end(Stream<? extends Certificate> chain) {
        return chain.filter(X509Certificate.class::isInstance)
                .map(certificate ->
                        ((X509Certificate) certificate).getNotAfter().toInstant())
                .min(Instant::compareTo);
    }

    /**
     * Returns the earliest time at which a certificate in the peer's chain expires; empty if the peer presented no
     * certificate.
     */
    static Optional<Instant> endOfPeer(SSLSession session) {
        try {
            return end(Arrays.stream(session.getPeerCertificates()));
        } catch (SSLPeerUnverifiedException e) {
            return Optional.empty();
        }
    }
}
