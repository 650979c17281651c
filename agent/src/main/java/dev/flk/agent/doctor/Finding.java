// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.doctor;

/**
 * What one look found.
 *
 * @param subject what was looked at
 * @param text what was found, and, if that is not good, what to do
 */
public record Finding(Grade grade, String subject, String text) {
    /** How good it is. */
    public enum Grade {
        GOOD,
        DOUBTFUL,
        BAD
    }

    static Finding good(String subject, String text) {
        return new Finding(Grade.GOOD, subject, text);
    }

    static Finding doubtful(String subject, String text) {
        return new Finding(Grade.DOUBTFUL, subject, text);
    }

    static Finding bad(String subject, String text) {
        return new Finding(Grade.BAD, subject, text);
    }
}
