// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.keys;

import dev.flk.backend.limit.RateLimit;
import dev.flk.backend.metrics.SignatureRefusal;
import dev.flk.certificate.ParsedCertificate;
import dev.flk.signing.KeyId;
import dev.flk.signing.SignatureCheck;
import dev.flk.signing.SigningAlgorithm;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Finds the key that signed a certificate. Safe for any thread, and quick enough for an event loop. */
public interface Signatures {
    /** The id of the key that has signed it and may do so for its shard, now; empty if there is none, and it is to be refused. */
    Optional<String> verify(ParsedCertificate certificate);

    /** The bucket of a key that {@link #verify} gave; null: its rate is not bounded. Its owner takes from it. */
    default @Nullable RateLimit rateOf(String keyId) {
        return null;
    }

    /**
     * Finds out why {@link #verify} was empty. Expensive work is done later by another thread, so that the time of the answer
     * reveals nothing; {@code told} is called once.
     */
    void examine(ParsedCertificate refused, Told told);

    /** Who wants to know. */
    @FunctionalInterface
    interface Told {
        /**
         * Says why, once.
         *
         * @param keyId of the key that has signed it, if it is a known one
         */
        void because(SignatureRefusal reason, @Nullable String keyId);
    }

    /** Any of the keys of {@code check}, for every shard and at any time. */
    static Signatures anyOf(SignatureCheck check) {
        return new Signatures() {
            @Override
            public Optional<String> verify(ParsedCertificate certificate) {
                return check.verify(certificate.canonicalForm(), certificate.sig())
                        .map(KeyId::text);
            }

            @Override
            public void examine(ParsedCertificate refused, Told told) {
                told.because(reason(refused), null);
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

    /** Whether there is no signature at all. */
    static boolean isMissing(ParsedCertificate certificate) {
        String sig = certificate.sig();
        return sig == null || sig.isEmpty();
    }
}
