// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import dev.flk.canonical.CanonicalDouble;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Reads a CSV of measurements, a row at a time; owned by one thread.
 *
 * <pre>
 * timestamp,x,y,z             the header, required, exactly these columns
 * 1517363399.650,-122.197,46.2035,3.28
 * </pre>
 *
 * Numbers are decimal with a point, whatever the locale, and finite: {@code NaN}, {@code Infinity} and what overflows a
 * double are mistakes, for a certificate of made-up values would be worse than none. Spaces around a number, blank lines,
 * CRLF line ends and a UTF-8 byte order mark are let through; quotes and further columns are not.
 */
public final class CsvRows {
    private static final String HEADER = "timestamp,x,y,z";
    private static final String[] COLUMNS = HEADER.split(",");
    private static final Pattern NUMBER = Pattern.compile("[+-]?(\\d+(\\.\\d*)?|\\.\\d+)([eE][+-]?\\d+)?");
    private static final int MAX_LINE_BYTES = 4096;

    private final InputStream in;
    private long line;

    /** Reads the header. The stream stays the caller's to close. */
    public CsvRows(InputStream stream) throws IOException, MalformedCsv {
        in = new BufferedInputStream(stream, 1 << 16);
        String header = nextLine();
        if (header != null && header.startsWith("\uFEFF")) {
            header = header.substring(1);
        }
        if (header == null) {
            throw new MalformedCsv("the file is empty; its first line must be the header " + HEADER);
        }
        if (!header.replace(" ", "").equals(HEADER)) {
            throw malformed("the header must be " + HEADER + ", it is " + shown(header));
        }
    }

    /** The next row, or null after the last. */
    @Nullable
    Row next() throws IOException, MalformedCsv {
        String text;
        do {
            text = nextLine();
        } while (text != null && text.isBlank());
        if (text == null) {
            return null;
        }
        String[] fields = text.split(",", -1);
        if (fields.length != COLUMNS.length) {
            throw malformed("expected " + COLUMNS.length + " columns (" + HEADER + "), found " + fields.length);
        }
        return new Row(number(fields, 0), number(fields, 1), number(fields, 2), number(fields, 3));
    }

    /** A mistake in the line that was read last. */
    MalformedCsv malformed(String what) {
        return new MalformedCsv("line " + line + ": " + what);
    }

    private double number(String[] fields, int column) throws MalformedCsv {
        String text = fields[column].strip();
        if (!NUMBER.matcher(text).matches()) {
            throw malformed("column " + COLUMNS[column] + ": "
                    + (text.isEmpty() ? "is empty; write a decimal number" : shown(text) + " is not a decimal number"));
        }
        double value = Double.parseDouble(text);
        if (!Double.isFinite(value)) {
            throw malformed("column " + COLUMNS[column] + ": " + shown(text) + " is too large for a double");
        }
        return value;
    }

    /** The next line without its end, or null at the end of the file. */
    private @Nullable String nextLine() throws IOException, MalformedCsv {
        byte[] bytes = new byte[MAX_LINE_BYTES];
        int length = 0;
        int b = in.read();
        if (b < 0) {
            return null;
        }
        line++;
        for (; b >= 0 && b != '\n'; b = in.read()) {
            if (length == MAX_LINE_BYTES) {
                throw malformed("is longer than " + MAX_LINE_BYTES + " bytes; is this a CSV file?");
            }
            bytes[length++] = (byte) b;
        }
        if (length > 0 && bytes[length - 1] == '\r') {
            length--;
        }
        return new String(bytes, 0, length, StandardCharsets.UTF_8);
    }

    /** Text of the file in quotes, shortened and without control characters, so that it can be shown on a terminal. */
    private static String shown(String text) {
        String clean = text.replaceAll("\\p{Cntrl}", "?");
        return "\"" + (clean.length() > 40 ? clean.substring(0, 40) + "…" : clean) + "\"";
    }

    /**
     * One measurement.
     *
     * @param timestampSeconds seconds since 1970, with a fraction
     */
    record Row(double timestampSeconds, double x, double y, double z) {

        Row {
            if (!Double.isFinite(timestampSeconds)
                    || !Double.isFinite(x)
                    || !Double.isFinite(y)
                    || !Double.isFinite(z)) {
                throw new IllegalArgumentException("a row has finite numbers only");
            }
        }

        /**
         * The row as {@code timestamp,x,y,z}, each number in the shortest text that reads back. This, not the text of the
         * file, is what is hashed and compressed: {@code 1.50} and {@code 1.5} are the same measurement.
         */
        String text() {
            return CanonicalDouble.print(timestampSeconds)
                    + ","
                    + CanonicalDouble.print(x)
                    + ","
                    + CanonicalDouble.print(y)
                    + ","
                    + CanonicalDouble.print(z);
        }
    }

    /** A file that is no CSV of measurements. The message names the line, the column where there is one, and what to do. */
    public static final class MalformedCsv extends Exception {

        MalformedCsv(String message) {
            super(message);
        }
    }
}
