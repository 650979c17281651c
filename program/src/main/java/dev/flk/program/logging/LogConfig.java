// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.logging;

import static dev.flk.program.config.Quantities.oneOf;

import dev.flk.program.config.Key;
import dev.flk.program.config.Settings;
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

    /** Settings of both programs. */
    public static final Key<Level> LEVEL = Key.of("LOG_LEVEL", oneOf(Level.class), "The least level that is logged.")
            .or("INFO");

    public static final Key<Format> FORMAT =
            Key.of("LOG_FORMAT", oneOf(Format.class), "`text`, or `json`.").or("text");

    /** What the settings say. */
    public static LogConfig read(Settings settings) {
        return new LogConfig(settings.get(LEVEL), settings.get(FORMAT));
    }
}
