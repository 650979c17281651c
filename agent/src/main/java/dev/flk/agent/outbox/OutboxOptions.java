// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import java.nio.file.Path;

/**
 * The options of an outbox.
 *
 * @param directory the directory of the log's segments
 * @param maxBytes the capacity in bytes, beyond which the outbox rejects certificates
 * @param minFreeBytes the free bytes of the file system below which the outbox rejects certificates, so that
 *     settlements can still be written
 */
public record OutboxOptions(Path directory, long maxBytes, long minFreeBytes) {

    /** Checks the bounds. */
    public OutboxOptions {
        if (maxBytes < 1 || minFreeBytes < 0) {
            throw new IllegalArgumentException("need maxBytes >= 1 and minFreeBytes >= 0");
        }
    }
}
