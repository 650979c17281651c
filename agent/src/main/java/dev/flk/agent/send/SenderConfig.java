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
 * Where to and how certificates are sent: what a reload may change.
 *
 * @param endpoints base URLs of backends that share one dedup store, the preferred one first; at least one
 * @param tls own authorities and client certificate; empty for what the JDK trusts
 * @param signer empty where certificates go out as they are
 */
public record SenderConfig(
        List<URI> endpoints,
        Optional<ClientTls> tls,
        Duration requestTimeout,
        Optional<Signer> signer,
        SendOptions options) {

    /** Checks what can't work. */
    public SenderConfig {
        if (endpoints.isEmpty()) {
            throw new IllegalArgumentException("no endpoint");
        }
        endpoints = List.copyOf(endpoints);
    }

    /**
     * How the sender behaves; see the contract's agent configuration.
     *
     * @param maxAttempts answered attempts before an entry is given up, 0 for no limit
     * @param maxAge how long after the first sending without an answer an entry may still be sent; shorter than the backend
     *     remembers outcomes, for after that it would be decided a second time
     * @param maxInFlight certificates that wait for an answer at the same time
     * @param batchSize certificates in one request at the most; 1 for requests of their own
     */
    public record SendOptions(
            Duration baseDelay, Duration maxDelay, int maxAttempts, Duration maxAge, int maxInFlight, int batchSize) {

        /** Checks what can't work. */
        public SendOptions {
            if (maxAttempts < 0 || maxInFlight < 1 || batchSize < 1 || maxAge.isNegative()) {
                throw new IllegalArgumentException(
                        "counts must be positive: " + maxAttempts + ", " + maxInFlight + ", " + batchSize);
            }
        }
    }

    /**
     * How connections to the backend are secured, where that is not left to the JDK.
     *
     * @param context whom it trusts, and what it shows
     * @param ownEnd until when the own certificate, and what it was shown with, is valid; empty if none is shown
     */
    public record ClientTls(SSLContext context, Optional<Instant> ownEnd) {

        /** Until when a chain of certificates can be valid: to the end of the one that ends first. */
        public static final class CertificateEnd {
            private CertificateEnd() {}

            /** Of certificates; empty if there are none. */
            public static Optional<Instant> of(Stream<? extends Certificate> chain) {
                return chain.filter(X509Certificate.class::isInstance)
                        .map(certificate ->
                                ((X509Certificate) certificate).getNotAfter().toInstant())
                        .min(Instant::compareTo);
            }

            /** Of what the other side showed. */
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
