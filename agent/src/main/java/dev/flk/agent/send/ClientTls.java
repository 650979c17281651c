// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.util.Arrays;
import java.util.Optional;
import java.util.stream.Stream;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.SSLSession;

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
