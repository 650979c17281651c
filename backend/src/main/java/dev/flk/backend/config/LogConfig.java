// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

/** What is logged, and how it looks. */
public record LogConfig(Level level, Format format) {
    /** The least level that is logged. */
    public enum Level {
        TRACE,
        DEBUG,
        INFO,
        WARN,
        ERROR
    }

    /** How a line looks. */
    public enum Format {
        /** For people. */
        TEXT,
        /** A JSON object a line. */
        JSON
    }
}
