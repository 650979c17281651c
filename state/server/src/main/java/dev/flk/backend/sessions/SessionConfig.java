// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions;

import dev.flk.backend.stores.postgres.PostgresConfig;
import dev.flk.backend.stores.postgres.PostgresConfig.TimeLimit;
import dev.flk.backend.stores.redis.RedisConfig;
import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.config.Settings;
import dev.flk.state.Operation;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * The settings of sessions.
 *
 * @param ttl the lifetime of a session, which begins again with each update
 * @param silentAfter the time without an update after which a session counts as silent
 * @param redis the server of the sessions; empty if they are stored in the state
 * @param maxStreamBytes the size of the stream of changes in Redis above which updates are refused
 * @param database the server of the durable copy; empty for none
 * @param eventsKept the time for which the durable copy keeps changes
 * @param tokensFile the operators' tokens, if the state has no port that reads them
 */
public record SessionConfig(
        Duration ttl,
        Duration silentAfter,
        Optional<RedisConfig> redis,
        long maxStreamBytes,
        Optional<PostgresConfig> database,
        Duration eventsKept,
        Optional<Path> tokensFile) {
    private static final Key<Kind> SESSION_STORE = Key.of(
                    "SESSION_STORE",
                    Quantities.oneOf(Kind.class),
                    "Where sessions are stored: `state`, `redis` (`REDIS_URI`), or `off`.")
            .or("state");
    private static final Key<Duration> SESSION_TTL = Key.of(
                    "SESSION_TTL",
                    Quantities.duration(Duration.ofSeconds(10), Operation.MAX_TTL),
                    "The lifetime of a session; each update begins another.")
            .or("1h");
    private static final Key<Duration> SESSION_SILENT_AFTER = Key.of(
                    "SESSION_SILENT_AFTER",
                    Quantities.duration(Duration.ofSeconds(1), Operation.MAX_TTL),
                    "The time without an update after which a session counts as silent.")
            .or("5m");
    private static final Key<PostgresConfig> SESSION_DATABASE_URL = Key.of(
                    "SESSION_DATABASE_URL",
                    uri -> PostgresConfig.ofSingleConnections(uri, new TimeLimit("", Duration.ofSeconds(10))),
                    "`redis`: the Postgres server to which sessions are also written, such as"
                            + " `postgresql://user:password@host:5432/database`.")
            .mayHoldPassword();
    private static final Key<Duration> SESSION_EVENTS = Key.of(
                    "SESSION_EVENTS",
                    Quantities.duration(Duration.ofMinutes(1), Duration.ofDays(36_500)),
                    "How long Postgres keeps the changes of sessions.")
            .or("1d");
    private static final Key<Long> SESSION_STREAM_BYTES = Key.of(
                    "SESSION_STREAM_BYTES",
                    Quantities::bytes,
                    "`redis`: the memory that changes may use in Redis while they wait for Postgres; above it, updates"
                            + " are refused.")
            .or("256MiB");
    private static final List<Key<?>> OF_REDIS = List.of(SESSION_DATABASE_URL, SESSION_EVENTS, SESSION_STREAM_BYTES);

    /** The settings of sessions, in the order of the docs. */
    public static final List<Key<?>> KEYS = List.of(
            SESSION_STORE,
            SESSION_TTL,
            SESSION_SILENT_AFTER,
            SESSION_DATABASE_URL,
            SESSION_EVENTS,
            SESSION_STREAM_BYTES);

    private enum Kind {
        STATE,
        REDIS,
        OFF
    }

    /** Returns settings for sessions in the state. */
    public static SessionConfig inState(Duration ttl, Duration silentAfter) {
        return new SessionConfig(
                ttl, silentAfter, Optional.empty(), 0, Optional.empty(), Duration.ZERO, Optional.empty());
    }

    /**
     * Reads the settings; returns empty if sessions are off.
     *
     * @param operatorTokens the setting of the operators' tokens, which are read here if no state reads them
     */
    public static Optional<SessionConfig> read(Settings settings, boolean hasState, Key<Path> operatorTokens) {
        Kind kind = settings.get(SESSION_STORE);
        SessionConfig config = new SessionConfig(
                settings.get(SESSION_TTL),
                settings.get(SESSION_SILENT_AFTER),
                kind == Kind.REDIS ? Optional.of(RedisConfig.read(settings, "SESSION_STORE=redis")) : Optional.empty(),
                settings.get(SESSION_STREAM_BYTES),
                settings.find(SESSION_DATABASE_URL),
                settings.get(SESSION_EVENTS),
                kind == Kind.REDIS && !hasState ? settings.find(operatorTokens) : Optional.empty());
        settings.require(
                config.silentAfter().compareTo(config.ttl()) < 0,
                "SESSION_SILENT_AFTER: not shorter than SESSION_TTL, so a session would expire before it counts as"
                        + " silent");
        settings.unused("STATE_PORT is off", hasState || kind == Kind.REDIS ? List.of() : List.of(operatorTokens));
        boolean isOff = kind == Kind.OFF || (kind == Kind.STATE && !hasState);
        if (kind == Kind.STATE) {
            settings.unused("STATE_PORT is off", hasState ? List.of() : KEYS);
            settings.unused("SESSION_STORE is state", hasState ? OF_REDIS : List.of());
        } else if (kind == Kind.OFF) {
            settings.unused(
                    "SESSION_STORE is off",
                    KEYS.stream().filter(key -> !key.equals(SESSION_STORE)).toList());
        } else {
            settings.unused(
                    "SESSION_DATABASE_URL is not set",
                    config.database().isEmpty() ? List.of(SESSION_EVENTS) : List.of());
        }
        return isOff ? Optional.empty() : Optional.of(config);
    }
}
