// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.signing.Signer;
import java.net.URI;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.SSLSession;

/**
 * The part of the configuration that defines how certificates are sent, and that a reload can change.
 *
 * @param endpoints base URLs of backends that share one dedup store, the preferred one first; at least one
 * @param tls the trusted authorities and the client certificate; empty for the JDK's defaults
 * @param signer the signer; empty if certificates are sent without a new signature
 */
public record SenderConfig(
        List<URI> endpoints,
        Optional<ClientTls> tls,
        Duration requestTimeout,
        Optional<Signer> signer,
        SendOptions options) {

    /** Validates the fields. */
    public SenderConfig {
        if (endpoints.isEmpty()) {
            throw new IllegalArgumentException("no endpoint");
        }
        endpoints = List.copyOf(endpoints);
    }

    /**
     * The options of the sender; see the agent's settings in {@code docs/configuration.md}.
     *
     * @param maxAttempts the number of answered attempts after which an entry is given up; 0 for no limit
     * @param maxAge the time after the first unanswered attempt during which an entry may still be sent; shorter than the backend
     *     remembers outcomes, because it would decide the certificate again after that
     * @param maxInFlight the largest number of certificates that wait for an answer at the same time
     * @param batchSize the largest number of certificates in one request; 1 for single requests
     */
    public record SendOptions(
            Duration baseDelay, Duration maxDelay, int maxAttempts, Duration maxAge, int maxInFlight, int batchSize) {

        /** Validates the fields. */
        public SendOptions {
            if (maxAttempts < 0 || maxInFlight < 1 || batchSize < 1 || maxAge.isNegative()) {
                throw new IllegalArgumentException(
                        "counts must be positive: " + maxAttempts + ", " + maxInFlight + ", " + batchSize);
            }
        }
    }

    /**
     * The TLS configuration of connections to the backend, if it is not the JDK's default.
     *
     * @param context the context with the trusted authorities and the client certificate
     * @param ownEnd the expiry of the client certificate's chain; empty without a client certificate
     */
    public record ClientTls(SSLContext context, Optional<Instant> ownEnd) {

        /** The expiry of a chain of certificates: that of the certificate that expires first. */
        public static final class CertificateEnd {
            private CertificateEnd() {}

            /** Returns the expiry of a chain; empty for an empty chain. */
            public static Optional<Instant> of(Stream<? extends Certificate> chain) {
                return chain.filter(X509Certificate.class::isInstance)
                        .map(certificate ->
                                ((X509Certificate) certificate).getNotAfter().toInstant())
                        .min(Instant::compareTo);
            }

            /** Returns the expiry of the chain that the peer presented; empty if it presented none. */
            static Optional<Instant> ofPeer(SSLSession session) {
                try {
                    return of(Arrays.stream(session.getPeerCertificates()));
                } catch (SSLPeerUnverifiedException e) {
                    return Optional.empty();
                }
            }
        }
    }
}
