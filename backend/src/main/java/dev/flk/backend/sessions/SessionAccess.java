// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions;

import dev.flk.backend.access.keys.Nonces;
import dev.flk.backend.access.keys.SignatureRefusal;
import dev.flk.backend.access.keys.Signatures;
import dev.flk.backend.access.keys.Signatures.Authentication;
import dev.flk.backend.sessions.SessionMetrics.Refused;
import dev.flk.signing.message.SignedRequest;
import dev.flk.signing.message.UnacceptableRequest;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The access control of sessions. An agent signs its requests with the same key as its certificates, and may use the
 * sessions that the key is bound to. An operator shows a bearer token with rights to {@code sessions/PREFIX}. Safe for
 * any thread; fast enough for an event loop.
 */
public final class SessionAccess {
    /** The greatest difference between the time of a signature and now. */
    private static final Duration TOLERANCE = Duration.ofMinutes(5);

    /** The namespace by which the rights of a token refer to sessions. */
    private static final String RIGHTS = "sessions";

    private static final String BEARER = "Bearer ";
    private static final int MOST_NONCES = 500_000;

    private final Signatures signatures;
    private final Tokens tokens;
    private final InstantSource clock;
    private final Nonces nonces;

    /** The rights of bearer tokens. */
    @FunctionalInterface
    public interface Tokens {
        /**
         * Returns whether a token may read, in a namespace, all agents with ids that begin with a prefix, or may write
         * to them if {@code writes} is true; empty if there is no such token.
         */
        Optional<Boolean> allows(String token, String namespace, String agentPrefix, boolean writes);
    }

    /**
     * A request as it was received.
     *
     * @param target the path and the query, not decoded
     * @param headers returns the values of a header; called with the name of the header in lower case
     */
    public record Received(String method, String target, Function<String, List<String>> headers, byte[] body) {}

    /** The result of a decision. */
    public sealed interface Decision {
        /**
         * The request may be served.
         *
         * @param nonce the id of the key and the nonce of the request; empty if the request is not signed
         */
        record Admitted(String nonce) implements Decision {
            /** Returns whether an agent signed the request. */
            public boolean isSigned() {
                return !nonce.isEmpty();
            }
        }

        record Denied(Refused reason) implements Decision {}
    }

    /** @param clock the clock that judges the age of signatures */
    public SessionAccess(Signatures signatures, Tokens tokens, InstantSource clock) {
        this.signatures = signatures;
        this.tokens = tokens;
        this.clock = clock;
        this.nonces = new Nonces(TOLERANCE.toSeconds(), clock.instant().getEpochSecond(), MOST_NONCES);
    }

    /** Decides about a request for one session. */
    public Decision toOne(Received request, String sessionId, boolean writes) {
        String token = token(request);
        return token == null ? signed(request, sessionId) : shown(token, sessionId, writes);
    }

    /** Decides whether a request may use all sessions whose ids begin with a prefix; only operators may. */
    public Decision toAll(Received request, String prefix) {
        String token = token(request);
        return token == null ? new Decision.Denied(Refused.CREDENTIALS) : shown(token, prefix, false);
    }

    /** Returns whether a request shows a token, which need not be valid. */
    public static boolean hasToken(Received request) {
        return token(request) != null;
    }

    private static @Nullable String token(Received request) {
        List<String> shown = request.headers().apply("authorization");
        return shown.size() == 1 && shown.get(0).regionMatches(true, 0, BEARER, 0, BEARER.length())
                ? shown.get(0).substring(BEARER.length()).strip()
                : null;
    }

    private Decision shown(String token, String prefix, boolean writes) {
        return tokens.allows(token, RIGHTS, prefix, writes)
                .<Decision>map(allowed -> allowed ? new Decision.Admitted("") : new Decision.Denied(Refused.FORBIDDEN))
                .orElse(new Decision.Denied(Refused.CREDENTIALS));
    }

    private Decision signed(Received request, String sessionId) {
        SignedRequest signed;
        try {
            signed = SignedRequest.parse(request.method(), request.target(), request.headers(), request.body());
        } catch (UnacceptableRequest e) {
            return new Decision.Denied(Refused.CREDENTIALS);
        }
        Authentication authentication = signatures.authenticate(signed, sessionId);
        if (authentication instanceof Authentication.Refused refused) {
            return new Decision.Denied(
                    refused.reason() == SignatureRefusal.FOREIGN_SHARD ? Refused.FOREIGN : Refused.CREDENTIALS);
        }
        if (!signed.isFresh(clock.instant(), TOLERANCE)) {
            return new Decision.Denied(Refused.AGE);
        }
        return switch (nonces.offer(
                signed.keyId().text(),
                signed.nonce(),
                signed.created().getEpochSecond(),
                clock.instant().getEpochSecond())) {
            case NEW -> new Decision.Admitted(signed.keyId().text() + " " + signed.nonce());
            case USED -> new Decision.Denied(Refused.REPLAYED);
            case OUTSIDE_WINDOW -> new Decision.Denied(Refused.AGE);
            case FULL -> new Decision.Denied(Refused.UNAVAILABLE);
        };
    }
}
