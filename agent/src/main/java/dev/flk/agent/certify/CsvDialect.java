// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import dev.flk.agent.certify.CsvRows.MalformedCsv;
import java.io.BufferedReader;
import java.io.IOException;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The division of a CSV into cells: the delimiter, and the number of lines before the first record.
 *
 * <p>The delimiter is the one that the format gives; else the one in a first line such as {@code sep=;}, as Excel
 * writes it; else a comma, a semicolon or a tab, whichever is most frequent outside quotes in the first record. A line
 * ends with LF, CR LF or CR. A quote opens at the beginning of a cell only, and a record continues after the end of a
 * line within quotes.
 *
 * @param source the origin of the delimiter, as shown to users
 */
record CsvDialect(char delimiter, String source, long linesBefore) {
    /** The maximum number of characters of a cell, and of the record from which the delimiter is detected. */
    static final int MAX_CHARS = 1 << 16;

    private static final char[] DETECTED = {',', ';', '\t'};
    private static final Pattern EXCEL = Pattern.compile("(?i)\\s*\"?sep=([^\\s\\w\"]|\t)\"?\\s*");

    /** Detects the dialect of a text, and consumes the lines before the first record. */
    static CsvDialect detect(BufferedReader text, CsvFormat format) throws IOException, MalformedCsv {
        for (int i = 0; i < format.skippedLines(); i++) {
            if (text.readLine() == null) {
                throw new MalformedCsv(
                        "the file has only " + i + " lines, but --skip-lines is " + format.skippedLines());
            }
        }
        long before = format.skippedLines();
        String first = firstRecord(text);
        Matcher excel = EXCEL.matcher(first);
        boolean isExcel = excel.matches();
        if (isExcel) {
            String line = "";
            while (line != null && line.isBlank()) { // skips blank lines and the line of the delimiter
                line = text.readLine();
                before++;
            }
        }
        Optional<Character> given = format.notation().delimiter();
        if (given.isPresent()) {
            return new CsvDialect(given.get(), "as --delimiter says", before);
        }
        return isExcel
                ? new CsvDialect(excel.group(1).charAt(0), "as the line sep= says", before)
                : new CsvDialect(mostFrequent(first), "the most frequent in the first line", before);
    }

    /**
     * Returns the first record that is not blank, without consuming anything. Throws if the record is too long or is
     * not text.
     */
    private static String firstRecord(BufferedReader text) throws IOException, MalformedCsv {
        StringBuilder record = new StringBuilder();
        Quotes quotes = new Quotes();
        text.mark(MAX_CHARS + 1);
        int c = text.read();
        while (c >= 0 && !(isLineEnd(c) && !quotes.isOpen && !record.toString().isBlank())) {
            quotes.next((char) c);
            record.append((char) c);
            if (c == 0) {
                throw new MalformedCsv("line 1: is not text in UTF-8; save the file as CSV in UTF-8, or give its"
                        + " --encoding, such as UTF-16LE");
            }
            if (record.length() > MAX_CHARS) {
                throw new MalformedCsv("line 1: is longer than " + MAX_CHARS + " characters; is this a CSV file?");
            }
            c = text.read();
        }
        text.reset();
        return record.toString();
    }

    private static char mostFrequent(String record) throws MalformedCsv {
        char best = DETECTED[0];
        for (char candidate : DETECTED) {
            if (count(record, candidate) > count(record, best)) {
                best = candidate;
            }
        }
        char earlier = asEarlierVersions(record);
        if (earlier != best && count(record, earlier) > 0) {
            throw new MalformedCsv("line 1: a quote within a cell makes it unclear whether a " + name(best) + " or a "
                    + name(earlier) + " separates the cells; give the --delimiter");
        }
        return best;
    }

    /**
     * Returns the delimiter that earlier versions detected: they saw a quote in the middle of a cell as an opening one,
     * and only the first line. A file on which both rules differ is refused, so that no file is read in another way
     * than before.
     */
    private static char asEarlierVersions(String record) {
        String line = record.strip().split("[\r\n]", 2)[0];
        long[] counts = new long[DETECTED.length];
        boolean isQuoted = false;
        for (int i = 0; i < line.length(); i++) {
            isQuoted ^= line.charAt(i) == '"';
            for (int d = 0; d < DETECTED.length; d++) {
                counts[d] += !isQuoted && line.charAt(i) == DETECTED[d] ? 1 : 0;
            }
        }
        int best = 0;
        for (int d = 1; d < DETECTED.length; d++) {
            best = counts[d] > counts[best] ? d : best;
        }
        return DETECTED[best];
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

    private static boolean isLineEnd(int c) {
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
