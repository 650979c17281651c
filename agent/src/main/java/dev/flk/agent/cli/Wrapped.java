// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

/** Sentences for a terminal of 80 columns. They break at spaces; what has none in it, a path say, stays in one piece. */
final class Wrapped {
    static final int COLUMNS = 80;

    private Wrapped() {}

    /** Breaks a text that begins at the left; the lines behind the first are indented. */
    static String at80(String text, int indent) {
        StringBuilder wrapped = new StringBuilder();
        int column = -1;
        for (String word : text.split(" ", -1)) {
            int width = word.codePointCount(0, word.length());
            if (column + 1 + width > COLUMNS && column > indent) {
                wrapped.append(System.lineSeparator()).append(" ".repeat(indent));
                column = indent;
            } else if (column >= 0) {
                wrapped.append(' ');
                column++;
            } else {
                column = 0;
            }
            wrapped.append(word);
            column += width;
        }
        return wrapped.toString();
    }
}
