// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.csv;

import dev.flk.agent.csv.CsvRows.MalformedCsv;
import java.io.BufferedReader;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * The division of a CSV into cells: the delimiter, and the number of lines before the first record.
 *
 * <p>The delimiter is the one that the format gives; else the one in a first line such as {@code sep=;}, as Excel
 * writes it; else a comma, a semicolon or a tab: the only one outside quotes in the first record. A line ends with LF,
 * CR LF or CR. A quote opens at the beginning of a cell only, and a record continues after the end of a line within
 * quotes.
 *
 * @param source the origin of the delimiter, as shown to users
 */
record CsvDialect(char delimiter, String source, long linesBefore) {
    /** The maximum number of characters of a cell, and of the record from which the delimiter is detected. */
    static final int MAX_CHARS = 1 << 16;

    private static final String DETECTED = ",;\t";
    private static final Pattern EXCEL = Pattern.compile("(?i)\\s*\"?sep=([^\\s\\w\"]|\t)\"?\\s*");

    /**
     * Detects the dialect of a text, and consumes the lines before the first record.
     *
     * @param isGrowing whether the first record of a file whose delimiter is given may have NULs
     */
    static CsvDialect detect(BufferedReader text, CsvFormat format, boolean isGrowing)
            throws IOException, MalformedCsv {
        for (int i = 0; i < format.skippedLines(); i++) {
            if (text.readLine() == null) {
                throw new MalformedCsv(
                        "the file has only " + i + " lines, but --skip-lines is " + format.skippedLines());
            }
        }
        long before = format.skippedLines();
        Optional<Character> given = format.notation().delimiter();
        text.mark(MAX_CHARS + 1);
        String first = first(text, format.filter().comment(), isGrowing && given.isPresent());
        text.reset();
        Matcher excel = EXCEL.matcher(first);
        boolean isExcel = excel.matches();
        if (isExcel) {
            String line = "";
            while (line != null && !EXCEL.matcher(line).matches()) { // also skips blank lines and comments before it
                line = text.readLine();
                before++;
            }
        }
        return given.isPresent()
                ? new CsvDialect(given.get(), "as --delimiter says", before)
                : isExcel
                        ? new CsvDialect(excel.group(1).charAt(0), "as the line sep= says", before)
                        : new CsvDialect(onlyOne(first), "the most frequent in the first line", before);
    }

    private static char onlyOne(String first) throws MalformedCsv {
        List<Character> found = DETECTED.chars()
                .mapToObj(c -> (char) c)
                .filter(each -> isIn(first, each))
                .toList();
        if (found.size() > 1) {
            throw new MalformedCsv(
                    "line 1: a " + found.stream().map(CsvDialect::name).collect(Collectors.joining(" or a "))
                            + " may separate the cells; give the --delimiter");
        }
        return found.isEmpty() ? DETECTED.charAt(0) : found.get(0);
    }

    /** Returns whether a character is in a record, outside quotes. */
    private static boolean isIn(String record, char wanted) {
        Quotes quotes = new Quotes();
        return record.chars().anyMatch(c -> {
            quotes.next((char) c);
            return !quotes.isOpen && c == wanted;
        });
    }

    /** Returns the encoding of a text that was read as UTF-8 and has NULs; empty if it has none. */
    static Optional<String> wideEncoding(String text) {
        int end = text.indexOf('\0');
        boolean isWide = text.startsWith("\0\0", end);
        return end < 0 ? Optional.empty() : Optional.of("UTF-" + (isWide ? 32 : 16) + (end == 0 ? "BE" : "LE"));
    }

    static boolean isLineEnd(int c) {
        return c == '\n' || c == '\r';
    }

    private static boolean isDetected(char c) {
        return DETECTED.indexOf(c) >= 0;
    }

    /** Returns the name of the delimiter, such as comma. */
    String name() {
        return name(delimiter);
    }

    private static String name(char delimiter) {
        return switch (delimiter) {
            case ',' -> "comma";
            case ';' -> "semicolon";
            case '\t' -> "tab";
            case ' ' -> "blank";
            default -> "'" + delimiter + "'";
        };
    }

    /** Reads the first record that is not blank. Throws if it is too long or, without NULs, not text. */
    private static String first(BufferedReader text, Optional<Character> comment, boolean mayHaveNul)
            throws IOException, MalformedCsv {
        StringBuilder record = new StringBuilder();
        Quotes quotes = new Quotes();
        boolean isComment = false;
        boolean isComplete = false;
        for (int chars = 0; !isComplete && chars < MAX_CHARS; chars++) {
            int c = text.read();
            boolean isEnd = isLineEnd(c) && !quotes.isOpen;
            isComplete = c < 0 || (isEnd && !isComment && !record.toString().isBlank());
            isComment = !isEnd
                    && (isComment
                            || (record.isEmpty()
                                    && comment.filter(each -> each == c).isPresent()));
            if (isEnd && !isComplete) {
                record.setLength(0);
                quotes = new Quotes();
            } else if (!isComplete && !isComment) {
                quotes.next((char) c);
                record.append((char) c);
            }
        }
        Optional<String> wide = wideEncoding(record.toString());
        if (wide.isPresent() && !mayHaveNul) {
            throw new MalformedCsv("line 1: is not text in UTF-8; save the file as CSV in UTF-8, or give its"
                    + " --encoding, such as " + wide.get());
        }
        if (!isComplete) {
            throw new MalformedCsv("line 1: is longer than " + MAX_CHARS + " characters; is this a CSV file?");
        }
        return record.toString();
    }

    /** The state of the quotes while a record is read character by character. */
    private static final class Quotes {
        private boolean isOpen;
        private boolean isCellStart = true;

        void next(char c) {
            if (isOpen) {
                isOpen = c != '"'; // a doubled quote closes, and opens again below
                isCellStart = !isOpen;
            } else if (c == '"' && isCellStart) {
                isOpen = true;
            } else {
                isCellStart = isDetected(c) || isLineEnd(c) || (isCellStart && c == ' ');
            }
        }
    }
}
