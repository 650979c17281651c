// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.inbox;

import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.config.Settings;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/**
 * The settings of the inbox log.
 *
 * @param walDir the directory of the log's segments
 * @param walRetention the time that a closed, decided segment is kept
 * @param walMinFreeBytes the free disk space below which nothing new is accepted
 * @param dedupTtl the time that a recorded outcome is kept, from the arrival of its certificate
 */
public record InboxConfig(Path walDir, Duration walRetention, long walMinFreeBytes, Duration dedupTtl) {
    public static final Key<Path> WAL_DIR =
            Key.of("WAL_DIR", Quantities::path, "Directory of the inbox log.").or("data/wal");
    public static final Key<Duration> WAL_RETENTION = Key.of(
                    "WAL_RETENTION",
                    Quantities::positive,
                    "How long a closed, decided segment is kept; at least `DEDUP_TTL`.")
            .or("14d");
    private static final Key<Long> WAL_MIN_FREE_BYTES = Key.of(
                    "WAL_MIN_FREE_BYTES", Quantities::bytes, "The free disk space below which nothing new is accepted.")
            .or("256MiB");
    public static final Key<Duration> DEDUP_TTL = Key.of(
                    "DEDUP_TTL",
                    Quantities::positive,
                    "How long a recorded outcome is kept, from the arrival of its certificate.")
            .or("14d");

    /** The settings of the log, in the order of the docs. */
    public static final List<Key<?>> KEYS = List.of(WAL_DIR, WAL_RETENTION, WAL_MIN_FREE_BYTES, DEDUP_TTL);

    /** Reads the settings of the log. */
    public static InboxConfig read(Settings settings) {
        Duration retention = settings.get(WAL_RETENTION);
        Duration ttl = settings.get(DEDUP_TTL);
        boolean areSound = !settings.isBroken(WAL_RETENTION) && !settings.isBroken(DEDUP_TTL);
        settings.require(
                !areSound || retention.compareTo(ttl) >= 0,
                "WAL_RETENTION: shorter than DEDUP_TTL, so the log could not rebuild the store; set WAL_RETENTION to at"
                        + " least DEDUP_TTL");
        return new InboxConfig(settings.get(WAL_DIR), retention, settings.get(WAL_MIN_FREE_BYTES), ttl);
    }
}
