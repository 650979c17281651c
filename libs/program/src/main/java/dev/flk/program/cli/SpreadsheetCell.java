// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import java.util.regex.Pattern;

/**
 * Makes untrusted text safe for a cell of CSV: a spreadsheet would run text that begins like a formula, and could not
 * show unprintable characters.
 */
public final class SpreadsheetCell {
    private static final Pattern FORMULA = Pattern.compile("[=+\\-@\t\r\n].*", Pattern.DOTALL);
    private static final Pattern NUMBER = Pattern.compile("[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([eE][+-]?[0-9]+)?");

    private SpreadsheetCell() {}

    /**
     * Puts an apostrophe before text that begins with a character that a spreadsheet may take for the beginning of a
     * formula, and escapes unprintable characters. A number does not change.
     */
    public static String of(String text) {
        String cell = Printable.escaped(text);
        boolean isFormula =
                FORMULA.matcher(text).matches() && !NUMBER.matcher(text).matches();
        return isFormula ? "'" + cell : cell;
    }
}
