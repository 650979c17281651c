// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import java.util.regex.Pattern;

/**
 * Makes untrusted text safe for a log line or a terminal: the result can't end the line, move the cursor or reverse the
 * direction of the text.
 */
public final class Printable {
    private static final Pattern UNPRINTABLE = Pattern.compile("[[\\p{Cc}&&[^\t]]\\p{Cf}\\p{Cs}\\p{Zl}\\p{Zp}]");

    private Printable() {}

    /** Replaces each unprintable character with a question mark. */
    public static String of(String text) {
        return UNPRINTABLE.matcher(text).replaceAll("?");
    }
}
