// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.inbox;

import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.config.Settings;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * The settings of the inbox log.
 *
 * @param walDir the directory of the log's segments
 * @param walRetention the time that a closed, decided segment is kept
 * @param walMinFreeBytes the free disk space below which nothing new is accepted
 * @param segmentBytes the size at which a segment is closed
 * @param segmentAge the age at which a segment with records is closed
 * @param archiveCommand the command that archives closed segments; empty if the log is not archived
 * @param dedupTtl the time that a recorded outcome is kept, from the arrival of its certificate
 */
public record InboxConfig(
        Path walDir,
        Duration walRetention,
        long walMinFreeBytes,
        long segmentBytes,
        Duration segmentAge,
        Optional<ArchiveCommand> archiveCommand,
        Duration dedupTtl) {
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
    private static final Key<Integer> WAL_SEGMENT_BYTES = Key.of(
                    "WAL_SEGMENT_BYTES",
                    Quantities.bytes(1 << 20, 1 << 30),
                    "The size at which a segment of the log is closed, and can be archived.")
            .or("64MiB");
    private static final Key<Duration> WAL_SEGMENT_AGE = Key.of(
                    "WAL_SEGMENT_AGE",
                    Quantities.duration(Duration.ofSeconds(1), Duration.ofDays(30)),
                    "The age at which a segment with records is closed; without `WAL_ARCHIVE_COMMAND`, by the next"
                            + " append.")
            .or("1d");
    private static final Key<ArchiveCommand> WAL_ARCHIVE_COMMAND = Key.of(
            "WAL_ARCHIVE_COMMAND",
            ArchiveCommand::parse,
            "The command that archives a closed segment, such as `/opt/ship %p %f`. Not set: no archive.");
    public static final Key<Duration> DEDUP_TTL = Key.of(
                    "DEDUP_TTL",
                    Quantities::positive,
                    "How long a recorded outcome is kept, from the arrival of its certificate.")
            .or("14d");

    /** The settings of the log, in the order of the docs. */
    public static final List<Key<?>> KEYS = List.of(
            WAL_DIR,
            WAL_RETENTION,
            WAL_MIN_FREE_BYTES,
            WAL_SEGMENT_BYTES,
            WAL_SEGMENT_AGE,
            WAL_ARCHIVE_COMMAND,
            DEDUP_TTL);

    /** Reads the settings of the log. */
    public static InboxConfig read(Settings settings) {
        Duration retention = settings.get(WAL_RETENTION);
        Duration ttl = settings.get(DEDUP_TTL);
        boolean areSound = !settings.isBroken(WAL_RETENTION) && !settings.isBroken(DEDUP_TTL);
        settings.require(
                !areSound || retention.compareTo(ttl) >= 0,
                "WAL_RETENTION: shorter than DEDUP_TTL, so the log could not rebuild the store; set WAL_RETENTION to at"
                        + " least DEDUP_TTL");
        return new InboxConfig(
                settings.get(WAL_DIR),
                retention,
                settings.get(WAL_MIN_FREE_BYTES),
                settings.get(WAL_SEGMENT_BYTES),
                settings.get(WAL_SEGMENT_AGE),
                settings.find(WAL_ARCHIVE_COMMAND),
                ttl);
    }
}
