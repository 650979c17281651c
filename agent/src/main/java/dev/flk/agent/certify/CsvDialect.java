// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import dev.flk.agent.certify.CsvRows.MalformedCsv;
import java.io.BufferedReader;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The division of a CSV into cells: the delimiter, and the number of lines before the first record.
 *
 * <p>The delimiter is the one that the format gives; else the one in a first line such as {@code sep=;}, as Excel
 * writes it; else a comma, a semicolon or a tab: the only one outside quotes in the header; of several, the one that
 * divides the header and the first rows into equal numbers of cells; and if none does, or if the file has no header,
 * the most frequent one in the first record. A line ends with LF, CR LF or CR. A quote opens at the beginning of a cell
 * only, and a record continues after the end of a line within quotes.
 *
 * @param source the origin of the delimiter, as shown to users
 */
record CsvDialect(char delimiter, String source, long linesBefore) {
    /** The maximum number of characters of a cell, and of the record from which the delimiter is detected. */
    static final int MAX_CHARS = 1 << 16;

    private static final char[] DETECTED = {',', ';', '\t'};
    /** The maximum number of rows that are compared to the header. */
    private static final int COMPARED_ROWS = 10;

    private static final Pattern EXCEL = Pattern.compile("(?i)\\s*\"?sep=([^\\s\\w\"]|\t)\"?\\s*");

    /**
     * Detects the dialect of a text, and consumes the lines before the first record.
     *
     * @param isGrowing whether the header alone must show the delimiter, because the rows may not be written yet
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
        Sample sample = new Sample(text, format.filter().comment());
        String first = sample.first(isGrowing && given.isPresent());
        Matcher excel = EXCEL.matcher(first);
        boolean isExcel = excel.matches();
        if (given.isEmpty() && !isExcel) {
            CsvDialect detected = detect(first, sample, format, isGrowing);
            text.reset();
            return detected;
        }
        text.reset();
        if (isExcel) {
            String line = "";
            while (line != null && !EXCEL.matcher(line).matches()) { // also skips blank lines and comments before it
                line = text.readLine();
                before++;
            }
        }
        return given.isPresent()
                ? new CsvDialect(given.get(), "as --delimiter says", before)
                : new CsvDialect(excel.group(1).charAt(0), "as the line sep= says", before);
    }

    private static CsvDialect detect(String first, Sample sample, CsvFormat format, boolean isGrowing)
            throws IOException, MalformedCsv {
        List<Character> fitting = new ArrayList<>();
        char best = DETECTED[0];
        for (char candidate : DETECTED) {
            long count = count(first, candidate);
            if (count > 0) {
                fitting.add(candidate);
            }
            best = count > count(first, best) ? candidate : best;
        }
        if (isGrowing && fitting.size() > 1) {
            throw new MalformedCsv("line 1: a "
                    + fitting.stream().map(CsvDialect::name).collect(Collectors.joining(" or a "))
                    + " may separate the cells; give the --delimiter");
        }
        boolean isCompared = false;
        int rowsAfterHeader = format.notation().rowsAfterHeader();
        for (int i = 0; format.hasHeader() && fitting.size() > 1 && i < rowsAfterHeader + COMPARED_ROWS; i++) {
            String row = sample.next();
            if (row == null) {
                break;
            }
            if (i >= rowsAfterHeader) {
                fitting.removeIf(candidate -> !divides(candidate, first, row));
                isCompared = true;
            }
        }
        if (isCompared && fitting.size() > 1) {
            throw new MalformedCsv(
                    "line 1: a " + fitting.stream().map(CsvDialect::name).collect(Collectors.joining(" and a "))
                            + (fitting.size() == 2 ? " both" : " each")
                            + " divide the header and the first rows into equal numbers of cells; give the"
                            + " --delimiter");
        }
        if (isCompared && fitting.size() == 1) {
            return new CsvDialect(fitting.get(0), "the one that fits the first rows", format.skippedLines());
        }
        return new CsvDialect(best, "the most frequent in the first line", format.skippedLines());
    }

    /** Returns whether a row has as many cells as the header, apart from blank cells at its end. */
    private static boolean divides(char delimiter, String header, String row) {
        long cells = count(header, delimiter);
        return count(row, delimiter) == cells
                || (count(row, delimiter) > cells
                        && count(row.replaceFirst("[\\s" + delimiter + "]+$", ""), delimiter) <= cells);
    }

    /** Returns the number of occurrences of a character outside quotes. */
    private static long count(String record, char wanted) {
        Quotes quotes = new Quotes();
        long count = 0;
        for (int i = 0; i < record.length(); i++) {
            quotes.next(record.charAt(i));
            count += !quotes.isOpen && record.charAt(i) == wanted ? 1 : 0;
        }
        return count;
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
        return c == DETECTED[0] || c == DETECTED[1] || c == DETECTED[2];
    }

    /** Returns whether a cell contains a character that separates the cells of other files. */
    boolean mayBeSplitOtherwise(String cell) {
        return cell.chars().anyMatch(c -> c != delimiter && (isDetected((char) c) || c == '|'));
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

    /** The first records of a text, which are not consumed. */
    private static final class Sample {
        private static final int MOST_CHARS = 2 * MAX_CHARS;

        private final BufferedReader text;
        private final int comment;
        private int chars;

        /** Marks the text, so that the caller can reset it. */
        Sample(BufferedReader text, Optional<Character> comment) throws IOException {
            this.text = text;
            this.comment = comment.map(c -> (int) c).orElse(-1);
            text.mark(MOST_CHARS + 1);
        }

        /** Returns the first record that is not blank. Throws if the record is too long or, without NULs, not text. */
        String first(boolean mayHaveNul) throws IOException, MalformedCsv {
            StringBuilder record = new StringBuilder();
            boolean isComplete = read(record, MAX_CHARS);
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

        /**
         * Returns the next record that is not blank; null at the end of the text, or if the record is not complete
         * after {@code MOST_CHARS} characters.
         */
        @Nullable
        String next() throws IOException {
            StringBuilder record = new StringBuilder();
            return read(record, MOST_CHARS) && !record.toString().isBlank() ? record.toString() : null;
        }

        /** Reads a record that is not blank. Returns whether it ended before the limit of characters. */
        private boolean read(StringBuilder record, int mostChars) throws IOException {
            Quotes quotes = new Quotes();
            boolean isComment = false;
            while (chars < mostChars) {
                int c = text.read();
                chars++;
                boolean isEnd = isLineEnd(c) && !quotes.isOpen;
                if (c < 0 || (isEnd && !isComment && !record.toString().isBlank())) {
                    return true;
                }
                isComment = !isEnd && (isComment || (record.isEmpty() && c == comment));
                if (isEnd) {
                    record.setLength(0);
                    quotes = new Quotes();
                } else if (!isComment) {
                    quotes.next((char) c);
                    record.append((char) c);
                }
            }
            return false;
        }
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
