// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions;

import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.config.Settings;
import dev.flk.state.Operation;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * The settings of sessions.
 *
 * @param ttl the lifetime of a session, which begins again with each update
 * @param silentAfter the time without an update after which a session counts as silent
 */
public record SessionConfig(Duration ttl, Duration silentAfter) {
    private static final Key<Kind> SESSION_STORE = Key.of(
                    "SESSION_STORE", Quantities.oneOf(Kind.class), "Where sessions are stored: `state`, or `off`.")
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

    /** The settings of sessions, in the order of the docs. */
    public static final List<Key<?>> KEYS = List.of(SESSION_STORE, SESSION_TTL, SESSION_SILENT_AFTER);

    private enum Kind {
        STATE,
        OFF
    }

    /** Reads the settings; returns empty if sessions are off. */
    public static Optional<SessionConfig> read(Settings settings, boolean hasState) {
        Kind kind = settings.get(SESSION_STORE);
        Duration ttl = settings.get(SESSION_TTL);
        Duration silentAfter = settings.get(SESSION_SILENT_AFTER);
        settings.require(
                silentAfter.compareTo(ttl) < 0,
                "SESSION_SILENT_AFTER: not shorter than SESSION_TTL, so a session would expire before it counts as"
                        + " silent");
        settings.unused("STATE_PORT is off", hasState ? List.of() : KEYS);
        boolean isOff = kind == Kind.OFF;
        settings.unused(
                "SESSION_STORE is off", isOff && hasState ? List.of(SESSION_TTL, SESSION_SILENT_AFTER) : List.of());
        return isOff || !hasState ? Optional.empty() : Optional.of(new SessionConfig(ttl, silentAfter));
    }
}
