// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import java.util.regex.Pattern;

/** What came from outside, made fit for a log line or a terminal: nothing in it ends the line, moves the cursor or turns the text round. */
public final class Printable {
    private static final Pattern UNPRINTABLE = Pattern.compile("[[\\p{Cc}&&[^\t]]\\p{Cf}\\p{Cs}\\p{Zl}\\p{Zp}]");

    private Printable() {}

    /** Each of such characters becomes a question mark. */
    public static String of(String text) {
        return UNPRINTABLE.matcher(text).replaceAll("?");
    }
}
