// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions;

import dev.flk.backend.access.keys.RequestCheck;
import dev.flk.backend.access.keys.RequestCheck.Received;
import dev.flk.backend.access.keys.RequestCheck.Result;
import dev.flk.backend.access.keys.Signatures;
import dev.flk.backend.sessions.SessionMetrics.Refused;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The access control of sessions. An agent signs its requests with the same key as its certificates, and may use the
 * sessions that the key is bound to. An operator shows a bearer token with rights to {@code sessions/PREFIX}. Safe for
 * any thread; fast enough for an event loop.
 */
public final class SessionAccess {
    /** The namespace by which the rights of a token refer to sessions. */
    private static final String RIGHTS = "sessions";

    private static final String BEARER = "Bearer ";

    private final RequestCheck signed;
    private final Tokens tokens;

    /** The rights of bearer tokens. */
    @FunctionalInterface
    public interface Tokens {
        /**
         * Returns whether a token may read, in a namespace, all agents with ids that begin with a prefix, or may write
         * to them if {@code writes} is true; empty if there is no such token.
         */
        Optional<Boolean> allows(String token, String namespace, String agentPrefix, boolean writes);
    }

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
        this.signed = new RequestCheck(signatures, clock);
        this.tokens = tokens;
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
        Result result = signed.check(request, sessionId);
        return result instanceof Result.Accepted accepted
                ? new Decision.Admitted(accepted.nonce())
                : new Decision.Denied(
                        Refused.valueOf(((Result.Refused) result).why().name()));
    }
}
