// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.keys;

import dev.flk.backend.access.limit.RateLimit;
import dev.flk.certificate.CertificateReader.ParsedCertificate;
import dev.flk.signing.SignatureCheck;
import dev.flk.signing.SignatureCheck.KeyId;
import dev.flk.signing.SigningAlgorithm;
import dev.flk.signing.message.SignedRequest;
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
     * Returns the version of the keys in force: 16 hex digits, which change whenever other signatures are accepted than
     * before, also because a key becomes valid or ends. Two backends that accept the same signatures have the same
     * version. Derived from the ids of the keys, never from their secrets.
     */
    String version();

    /**
     * Returns the time at which the keys with this {@link #version} came into force in this process, in milliseconds
     * since 1970 of the backend's clock. The time differs for any two versions of a process.
     */
    long since();

    /**
     * Finds out why {@link #verify} returned empty for a certificate, and then calls {@code consumer} once, on any
     * thread. If the search fails because of a bug, or the backend stops before the search begins, {@code consumer} is
     * not called. Expensive work is done later on another thread, so that the response time does not reveal the reason
     * to the client.
     */
    void examine(ParsedCertificate refused, ReasonConsumer consumer);

    /**
     * Checks that the key that a request names signed the request, and that the key may sign for a session now. Does
     * not check when the request was signed, or whether its nonce was used before. If the backend does not check
     * signatures, it has no keys, and every request is refused.
     *
     * @param sessionId the name of an agent, optionally followed by a slash and further text
     */
    Authentication authenticate(SignedRequest request, String sessionId);

    /** The result of checking the signature of a request. Clients must not see the reason for a refusal. */
    sealed interface Authentication {
        /**
         * The request was signed with a key that may sign for the session.
         *
         * @param keyId the id of the key, as {@link Signatures#verify} returns it
         */
        record Accepted(String keyId) implements Authentication {}

        /**
         * The request must be refused.
         *
         * @param keyId the id of the key that signed; null if it is not known
         */
        record Refused(SignatureRefusal reason, @Nullable String keyId) implements Authentication {}
    }

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

    /**
     * Returns a check that accepts a signature by any key of {@code check}, for every shard and session and at any
     * time.
     *
     * @param sinceMillis the current time of the backend's clock
     */
    static Signatures anyOf(long sinceMillis, SignatureCheck check) {
        String version = KeysVersion.of(check);
        return new Signatures() {
            @Override
            public String version() {
                return version;
            }

            @Override
            public long since() {
                return sinceMillis;
            }

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
                        .filter(made -> !hasAlgorithm(made))
                        .isPresent();
                return isOther ? SignatureRefusal.OTHER_ALGORITHM : SignatureRefusal.UNKNOWN_KEY;
            }

            private boolean hasAlgorithm(SigningAlgorithm algorithm) {
                return check.candidates().stream().anyMatch(key -> key.algorithm() == algorithm);
            }

            @Override
            public Authentication authenticate(SignedRequest request, String sessionId) {
                if (request.verifiedBy(check)) {
                    return new Authentication.Accepted(request.keyId().text());
                }
                return new Authentication.Refused(
                        hasAlgorithm(request.algorithm())
                                ? SignatureRefusal.UNKNOWN_KEY
                                : SignatureRefusal.OTHER_ALGORITHM,
                        null);
            }
        };
    }

    /** Returns whether a certificate has no signature. */
    static boolean isMissing(ParsedCertificate certificate) {
        String sig = certificate.sig();
        return sig == null || sig.isEmpty();
    }
}
