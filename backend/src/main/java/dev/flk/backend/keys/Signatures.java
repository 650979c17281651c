// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.keys;

import dev.flk.backend.limit.RateLimit;
import dev.flk.certificate.CertificateReader.ParsedCertificate;
import dev.flk.signing.SignatureCheck;
import dev.flk.signing.SignatureCheck.KeyId;
import dev.flk.signing.SigningAlgorithm;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The check of signatures, which also finds out which key signed. Safe for any thread, and fast enough for an event
 * loop.
 */
public interface Signatures {
    /**
     * Returns the id of the key that signed a certificate and may sign for its shard now. Returns empty if there is no
     * such key; the certificate must then be refused.
     */
    Optional<String> verify(ParsedCertificate certificate);

    /**
     * Returns the bucket of a key whose id {@link #verify} returned; null if the rate of the key is not limited. The
     * caller takes the tokens.
     */
    default @Nullable RateLimit rateOf(String keyId) {
        return null;
    }

    /**
     * Finds out why {@link #verify} returned empty for a certificate, and then calls {@code consumer} once, on any
     * thread. If the search fails because of a bug, {@code consumer} is not called. Expensive work is done later on
     * another thread, so that the time until the client gets its answer reveals nothing.
     */
    void examine(ParsedCertificate refused, ReasonConsumer consumer);

    /** A callback that receives the reason for a refusal. */
    @FunctionalInterface
    interface ReasonConsumer {
        /**
         * Receives the reason, once.
         *
         * @param keyId the id of the key that signed; null if it is not known
         */
        void because(SignatureRefusal reason, @Nullable String keyId);
    }

    /** Returns a check that accepts a signature by any key of {@code check}, for every shard and at any time. */
    static Signatures anyOf(SignatureCheck check) {
        return new Signatures() {
            @Override
            public Optional<String> verify(ParsedCertificate certificate) {
                return check.verify(certificate.canonicalForm(), certificate.sig())
                        .map(KeyId::text);
            }

            @Override
            public void examine(ParsedCertificate refused, ReasonConsumer consumer) {
                consumer.because(reason(refused), null);
            }

            private SignatureRefusal reason(ParsedCertificate refused) {
                if (isMissing(refused)) {
                    return SignatureRefusal.MISSING;
                }
                boolean isOther = SigningAlgorithm.byLength(refused.sig())
                        .filter(made -> check.candidates().stream().noneMatch(key -> key.algorithm() == made))
                        .isPresent();
                return isOther ? SignatureRefusal.OTHER_ALGORITHM : SignatureRefusal.UNKNOWN_KEY;
            }
        };
    }

    /** Returns whether a certificate has no signature. */
    static boolean isMissing(ParsedCertificate certificate) {
        String sig = certificate.sig();
        return sig == null || sig.isEmpty();
    }
}
