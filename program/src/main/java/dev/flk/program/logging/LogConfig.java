// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.logging;

import org.slf4j.event.Level;

/**
 * What is logged, and how it looks.
 *
 * @param level the least that is logged
 */
public record LogConfig(Level level, Format format) {
    /** How a line looks. */
    public enum Format {
        /** For people. */
        TEXT,
        /** A JSON object a line. */
        JSON
    }
}
