// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.config;

/** How log lines look. */
public enum LogFormat {
    /** For people. */
    TEXT,
    /** A JSON object a line. */
    JSON
}
