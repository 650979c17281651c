// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

/** Text for terminals of 80 columns, in which characters that could control the terminal are escaped. */
public final class Paragraph {
    /** The width of a terminal. */
    public static final int COLUMNS = 80;

    private Paragraph() {}

    /**
     * Returns {@code text} wrapped at spaces and ended by a line feed. A word that is longer than a line is broken at
     * the end of the line.
     *
     * @param first the prefix of the first line
     * @param indent the number of spaces before the other lines
     */
    public static String wrapped(String first, int indent, String text) {
        StringBuilder out = new StringBuilder(first);
        int column = first.length();
        boolean lineHasWord = false;
        for (String word : visible(text).split(" ", -1)) {
            String rest = word;
            if (lineHasWord && column + 1 + width(rest) > COLUMNS) {
                column = newLine(out, indent);
                lineHasWord = false;
            }
            if (lineHasWord) {
                out.append(' ');
                column++;
            }
            while (column + width(rest) > COLUMNS) {
                int fitting = fitting(rest, COLUMNS - column);
                out.append(rest, 0, fitting);
                rest = rest.substring(fitting);
                column = newLine(out, indent);
            }
            out.append(rest);
            column += width(rest);
            lineHasWord = true;
        }
        return out.append('\n').toString();
    }

    /** Returns {@code text} broken at the end of each line, without regard to words; each line is indented. */
    public static String block(int indent, String text) {
        StringBuilder out = new StringBuilder();
        String rest = visible(text);
        do {
            int fitting = fitting(rest, COLUMNS - indent);
            out.append(" ".repeat(indent)).append(rest, 0, fitting).append('\n');
            rest = rest.substring(fitting);
        } while (!rest.isEmpty());
        return out.toString();
    }

    private static int newLine(StringBuilder out, int indent) {
        out.append('\n').append(" ".repeat(indent));
        return indent;
    }

    /**
     * Returns the number of characters that fit into {@code columns}: at least one, and never half of a surrogate pair.
     */
    private static int fitting(String text, int columns) {
        int used = 0;
        int end = 0;
        while (end < text.length()) {
            int codePoint = text.codePointAt(end);
            used += width(codePoint);
            if (used > columns && end > 0) {
                break;
            }
            end += Character.charCount(codePoint);
        }
        return end;
    }

    private static int width(String text) {
        return text.codePoints().map(Paragraph::width).sum();
    }

    /**
     * Returns the columns that a character takes: two for East Asian characters, and for every other character that may
     * take two.
     */
    private static int width(int codePoint) {
        return codePoint < 0x1100 ? 1 : 2;
    }

    /**
     * Returns {@code text} with control characters, line separators and characters that change the direction as
     * escapes.
     */
    public static String visible(String text) {
        StringBuilder out = new StringBuilder(text.length());
        text.codePoints().forEach(c -> {
            switch (Character.getType(c)) {
                case Character.CONTROL, Character.FORMAT, Character.LINE_SEPARATOR, Character.PARAGRAPH_SEPARATOR ->
                    out.append(c == '\n' ? "\\n" : "\\u{%x}".formatted(c));
                default -> out.appendCodePoint(c);
            }
        });
        return out.toString();
    }
}
