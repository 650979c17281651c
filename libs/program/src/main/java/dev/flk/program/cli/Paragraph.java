// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import java.util.List;
import java.util.stream.Collectors;
import picocli.CommandLine.Help;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.Help.Ansi.Text;
import picocli.CommandLine.Help.ColorScheme;
import picocli.CommandLine.Help.Column;
import picocli.CommandLine.Help.Column.Overflow;
import picocli.CommandLine.Help.TextTable;
import picocli.CommandLine.Model.UsageMessageSpec;

/** Paragraphs for a terminal of 80 columns, laid out by picocli. Unprintable characters are replaced. */
public final class Paragraph {
    static final ColorScheme PLAIN = Help.defaultColorScheme(Ansi.OFF);
    static final int COLUMNS = UsageMessageSpec.DEFAULT_USAGE_WIDTH;
    private static final int LABEL_COLUMNS = 15;
    /** The maximum indentation. With an indentation of a whole line, picocli would never end. */
    private static final int MAX_INDENT = COLUMNS / 2;

    private static final char NO_BREAK_SPACE = '\u00a0';

    private Paragraph() {}

    /** Wraps a text like {@link #wrapped(int, String)}, with 15 columns for labels. */
    public static String wrapped(String text) {
        return wrapped(LABEL_COLUMNS, text);
    }

    /**
     * Wraps each line of a text at spaces; breaks a word that is longer than a line. If a line begins with spaces, its
     * continuation is indented as far, at most half a line. Text before a tab is a label; the text after the tab is
     * wrapped in the columns to the right of the label. A no-break space is printed as a space, but the line is not
     * broken there.
     *
     * @param labelColumns the width of the labels
     */
    public static String wrapped(int labelColumns, String text) {
        return text.lines().map(line -> line(labelColumns, line)).collect(Collectors.joining());
    }

    private static String line(int labelColumns, String raw) {
        String line = Printable.of(raw);
        int tab = line.indexOf('\t');
        String words = line.substring(tab + 1).replace('\t', ' ').replaceFirst("^ +", "");
        int indent = tab < 0 ? Math.min(line.length() - words.length(), MAX_INDENT) : 0;
        TextTable table = tab < 0
                ? TextTable.forColumns(PLAIN, new Column(COLUMNS, indent, Overflow.WRAP))
                : TextTable.forColumns(
                        PLAIN,
                        new Column(labelColumns, 0, Overflow.SPAN),
                        new Column(COLUMNS - labelColumns, 0, Overflow.WRAP));
        table.indentWrappedLines = 0;
        table.addRowValues(
                tab < 0
                        ? new Text[] {onlyLetters(words)}
                        : new Text[] {onlyLetters(line.substring(0, tab)), onlyLetters(words)});
        return refilled(table.toString(), line);
    }

    /**
     * Replaces punctuation and digits with the letter x, because picocli would also break lines at punctuation and
     * digits, such as after the point in 0.5.
     */
    private static Text onlyLetters(String words) {
        StringBuilder letters = new StringBuilder();
        words.chars().forEach(c -> letters.append(c == ' ' || Character.isLetter(c) ? (char) c : 'x'));
        return text(letters.toString());
    }

    /**
     * Restores what {@link #onlyLetters} replaced: returns {@code layout} with each character, except spaces and line
     * ends, replaced by the next such character of {@code line}.
     */
    private static String refilled(String layout, String line) {
        StringBuilder text = new StringBuilder(layout);
        int next = 0;
        for (int i = 0; i < text.length(); i++) {
            if (text.charAt(i) != ' ' && text.charAt(i) != '\n') {
                while (line.charAt(next) == ' ' || line.charAt(next) == '\t') {
                    next++;
                }
                char original = line.charAt(next++);
                text.setCharAt(i, original == NO_BREAK_SPACE ? ' ' : original);
            }
        }
        return text.toString();
    }

    /** Returns a cell with this text. Markup of picocli in the text is not interpreted, and a tab becomes a space. */
    static Text text(String plain) {
        return PLAIN.apply(Printable.of(plain).replace('\t', ' '), List.of());
    }
}
