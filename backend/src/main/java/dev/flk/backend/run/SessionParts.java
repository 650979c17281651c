// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.run;

import dev.flk.backend.access.keys.Signatures;
import dev.flk.backend.access.tokens.Tokens;
import dev.flk.backend.sessions.SessionAccess;
import dev.flk.backend.sessions.SessionConfig;
import dev.flk.backend.sessions.SessionStorage;
import dev.flk.backend.sessions.Sessions;
import dev.flk.backend.sessions.StateSessions;
import dev.flk.backend.sessions.redis.RedisSessions;
import dev.flk.backend.state.ServedState;
import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import java.time.Duration;
import java.util.Optional;

/** Opens the sessions of agents, in the state or in Redis. */
final class SessionParts {
    /**
     * The time for which a session's history is kept after its lifetime. This time must exceed the hour in which
     * nothing expires after a jump of the clock; otherwise, the history of a session that still exists could be
     * removed.
     */
    private static final Duration KEPT_LONGER = Duration.ofHours(2);

    private SessionParts() {}

    static Sessions open(Common common, SessionConfig config, Optional<ServedState> state, Signatures signatures) {
        SessionAccess.Tokens tokens =
                state.<SessionAccess.Tokens>map(served -> served::allows).orElseGet(() -> tokens(common, config));
        SessionStorage storage = storage(common, config, state);
        return common.parts()
                .opened(Sessions.start(
                        storage,
                        new SessionAccess(signatures, tokens, common.steady()),
                        config,
                        common.metrics().sessions));
    }

    private static SessionStorage storage(Common common, SessionConfig config, Optional<ServedState> state) {
        if (config.redis().isPresent()) {
            return common.parts()
                    .opened(RedisSessions.start(
                            config.redis().get(),
                            config,
                            common.metrics().sessions,
                            common.metrics().pool.of(Pool.SESSIONS)));
        }
        ServedState served = state.orElseThrow();
        served.keepFor(StateSessions.NAMESPACE, config.ttl().plus(KEPT_LONGER));
        return new StateSessions(served.engine(), config.ttl(), common.steady());
    }

    /** Returns the rights of the operators' tokens if no state has read them; without a tokens file, none is valid. */
    private static SessionAccess.Tokens tokens(Common common, SessionConfig config) {
        if (config.tokensFile().isEmpty()) {
            return (token, namespace, prefix, writes) -> Optional.empty();
        }
        Tokens tokens = common.parts().opened(Tokens.open(config.tokensFile().get(), common.audit()));
        common.reloads().add(tokens::onReloadSignal);
        return tokens::allows;
    }
}
