// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import java.nio.file.Path;

/**
 * How the outbox is kept.
 *
 * @param directory of the log's segments
 * @param maxBytes certificates that may wait, in bytes; beyond it intake is refused
 * @param minFreeBytes space of the file system below which intake is refused, so that settling can still write
 */
public record OutboxOptions(Path directory, long maxBytes, long minFreeBytes) {

    /** Checks what can't work. */
    public OutboxOptions {
        if (maxBytes < 1 || minFreeBytes < 0) {
            throw new IllegalArgumentException("need maxBytes >= 1 and minFreeBytes >= 0");
        }
    }
}
