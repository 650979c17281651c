// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.config;

import dev.flk.agent.send.SenderConfig.ClientTls;
import dev.flk.agent.send.SenderConfig.ClientTls.CertificateEnd;
import dev.flk.program.config.Settings;
import io.netty.handler.ssl.JdkSslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.time.Instant;
import java.util.Optional;
import javax.net.ssl.SSLException;

/** TLS to the backend: the authorities to trust and the agent's own certificate, all as PEM text. */
final class Tls {
    private Tls() {}

    /**
     * Returns the TLS configuration; empty if no setting is set, so that the JDK's authorities are trusted and no client certificate is
     * sent.
     */
    static Optional<ClientTls> read(Settings settings) {
        Optional<String> authorities = settings.find(AgentKeys.TLS_CA);
        Optional<String> certificate = settings.find(AgentKeys.TLS_CERT);
        Optional<String> key = settings.find(AgentKeys.TLS_KEY);
        boolean certificateGiven = settings.isGiven(AgentKeys.TLS_CERT);
        if (certificateGiven != settings.isGiven(AgentKeys.TLS_KEY)) {
            settings.problem("TLS_CERT, TLS_KEY: only one of the two is set; set both, or none");
            return Optional.empty();
        }
        if (certificate.isPresent() != key.isPresent()) {
            return Optional.empty(); // the unreadable file of the other one is already reported
        }
        if (authorities.isEmpty() && certificate.isEmpty()) {
            return Optional.empty();
        }
        SslContextBuilder builder = SslContextBuilder.forClient().sslProvider(SslProvider.JDK);
        boolean trusted = authorities.isEmpty() || trust(settings, builder, authorities.get());
        boolean shown = key.isEmpty() || show(settings, builder, certificate.orElseThrow(), key.get());
        return trusted && shown ? build(settings, builder, certificate) : Optional.empty();
    }

    private static boolean trust(Settings settings, SslContextBuilder builder, String authorities) {
        try {
            builder.trustManager(pem(authorities));
            return true;
        } catch (IllegalArgumentException e) {
            settings.problem("TLS_CA: can't be used: " + why(e) + "; it must be certificates in PEM");
            return false;
        }
    }

    private static boolean show(Settings settings, SslContextBuilder builder, String certificate, String key) {
        try {
            builder.keyManager(pem(certificate), pem(key));
            return true;
        } catch (IllegalArgumentException e) {
            // omits the cause, which may quote the key
            settings.problem("TLS_CERT, TLS_KEY: can't be used; they must be a certificate and its PKCS#8 key without a"
                    + " password, both in PEM");
            return false;
        }
    }

    private static Optional<ClientTls> build(
            Settings settings, SslContextBuilder builder, Optional<String> certificate) {
        try {
            return Optional.of(new ClientTls(
                    ((JdkSslContext) builder.build()).context(),
                    certificate.isEmpty() ? Optional.empty() : end(certificate.get())));
        } catch (SSLException | CertificateException | IllegalArgumentException e) {
            settings.problem("TLS_CERT: can't be used: " + why(e));
            return Optional.empty();
        }
    }

    private static Optional<Instant> end(String certificates) throws CertificateException {
        return CertificateEnd.of(
                CertificateFactory.getInstance("X.509").generateCertificates(pem(certificates)).stream());
    }

    private static InputStream pem(String text) {
        return new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8));
    }

    private static String why(Exception e) {
        Throwable cause = e.getCause() == null ? e : e.getCause();
        return String.valueOf(cause.getMessage());
    }
}
