// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.health;

/**
 * The result of a check.
 *
 * @param subject the checked object
 * @param text the result of the check; usually also what to do, unless the grade is {@link Grade#GOOD}
 */
public record Finding(Grade grade, String subject, String text) {
    /** The grade of a finding. */
    public enum Grade {
        GOOD,
        DOUBTFUL,
        BAD
    }

    /** Returns a finding that asks for no action. */
    public static Finding good(String subject, String text) {
        return new Finding(Grade.GOOD, subject, text);
    }

    /** Returns a finding about something that works, but may soon fail or is probably a mistake. */
    public static Finding doubtful(String subject, String text) {
        return new Finding(Grade.DOUBTFUL, subject, text);
    }

    /** Returns a finding about something that does not work. */
    public static Finding bad(String subject, String text) {
        return new Finding(Grade.BAD, subject, text);
    }
}
