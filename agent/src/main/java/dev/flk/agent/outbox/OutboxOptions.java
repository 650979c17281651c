// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.config.Settings;
import java.nio.file.Path;
import java.util.List;

/**
 * The options of an outbox.
 *
 * @param directory the directory of the log's segments
 * @param maxBytes the maximum total size of the outbox's files in bytes, without the {@link DiskQuota.Reserve}; a
 *     certificate that would exceed this size is rejected
 * @param minFreeBytes the bytes that must stay free on the file system, for example for records of settlements; a
 *     certificate that would leave fewer bytes free is rejected
 */
public record OutboxOptions(Path directory, long maxBytes, long minFreeBytes) {
    private static final Key<Path> PATH = Key.of("OUTBOX_PATH", Quantities::path, "The directory of the outbox.")
            .or("data/outbox.wal");
    private static final Key<Long> MAX_BYTES = Key.of(
                    "OUTBOX_MAX_BYTES", OutboxOptions::capacity, "The largest size of the outbox.")
            .or("1GiB");
    private static final Key<Long> MIN_FREE_BYTES = Key.of(
                    "OUTBOX_MIN_FREE_BYTES",
                    Quantities::bytes,
                    "The free disk space below which no certificates are accepted.")
            .or("64MiB");

    /** The settings of an outbox. */
    public static final List<Key<?>> KEYS = List.of(PATH, MAX_BYTES, MIN_FREE_BYTES);

    public OutboxOptions {
        if (maxBytes < 1 || minFreeBytes < 0) {
            throw new IllegalArgumentException("need maxBytes >= 1 and minFreeBytes >= 0");
        }
    }

    /** Reads the options from settings. */
    public static OutboxOptions read(Settings settings) {
        return new OutboxOptions(settings.get(PATH), settings.get(MAX_BYTES), settings.get(MIN_FREE_BYTES));
    }

    private static long capacity(String text) {
        long bytes = Quantities.bytes(text);
        if (bytes < 1) {
            throw new IllegalArgumentException("too small; write a size such as 1GiB");
        }
        return bytes;
    }
}
