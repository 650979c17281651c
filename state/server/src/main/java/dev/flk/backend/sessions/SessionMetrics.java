// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions;

import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.Metrics.Count;
import dev.flk.program.metrics.Metrics.Counts;
import dev.flk.program.metrics.Metrics.Gauge;
import dev.flk.program.metrics.Metrics.Sample;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** The metrics of sessions. Safe for any thread. */
public final class SessionMetrics extends Metrics.Feature {
    /** The reasons for which a request is refused. */
    public enum Refused {
        /** The request has neither a signature nor a token, or the signature or the token is not valid. */
        CREDENTIALS,
        /** The signature is valid but has expired, was made too long ago, or was made by a clock that is ahead. */
        AGE,
        /** The signature was used before. */
        REPLAYED,
        /** The key may not sign for the session. */
        FOREIGN,
        /** The token has no right to the session. */
        FORBIDDEN,
        /** The request is not valid: its path, query, condition or body. */
        MALFORMED,
        /** The session is too large. */
        TOO_LARGE,
        /** The condition of the request does not hold. */
        CONFLICT,
        /** The store is down or full, or there are too many requests. */
        UNAVAILABLE;

        String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    final Gauge sessions = gauge("flk_sessions", "Sessions that exist; NaN while they can't be counted.");
    final Gauge silent = gauge(
            "flk_sessions_silent",
            "Sessions without an update for SESSION_SILENT_AFTER; NaN while they can't be counted.");
    public final Count heartbeats =
            counter("flk_heartbeats_total", "Updates of sessions that agents have signed and that were stored.");
    public final Counts<Refused> refused = counter(
            "flk_session_requests_refused_total",
            "Requests for sessions that were refused, by reason.",
            "reason",
            Arrays.asList(Refused.values()),
            Refused::label);

    /** The results of writing a change to Postgres. */
    public enum Written {
        COMPLETED,
        /** Postgres already had the change or a newer version of the session. */
        SUPERSEDED,
        /** Postgres has another change with the same version; the change is in the dead stream. */
        CONFLICTING,
        /** The change can't be written to Postgres; it is in the dead stream. */
        FAILED;

        String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** The number of changes that wait for Postgres; read and written by any thread. */
    public volatile long waiting;
    /** The number of changes that a backend is writing to Postgres, or has failed to write so far. */
    public volatile long active;
    /** The number of changes that this backend has failed to write and will write again. */
    public volatile long delayed;
    /** The age of the oldest change that is not in Postgres. */
    public volatile long oldestMillis;

    /** The number of changes in the dead stream, of all backends. */
    public volatile long dead;

    public final Counts<Written> written = counter(
            "flk_session_writes_total",
            "Changes of sessions that this backend has written to Postgres, by result.",
            "result",
            Arrays.asList(Written.values()),
            Written::label);

    public SessionMetrics(Metrics metrics) {
        super(metrics);
        gaugeFamily(
                "flk_session_writes_pending",
                "Changes of sessions that are not in Postgres yet, of all backends; delayed: of this backend.",
                List.of("state"),
                () -> List.of(
                        new Sample(List.of("waiting"), waiting),
                        new Sample(List.of("active"), active),
                        new Sample(List.of("delayed"), delayed)));
        gauge("flk_session_writes_oldest_seconds", "Age of the oldest change of a session that is not in Postgres yet.")
                .watch(() -> oldestMillis / 1000.0);
        gauge("flk_session_writes_dead", "Changes of sessions in the dead stream, which Postgres has refused.")
                .watch(() -> dead);
        sessions.watch(() -> Double.NaN);
        silent.watch(() -> Double.NaN);
    }
}
