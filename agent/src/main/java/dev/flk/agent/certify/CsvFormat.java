// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import java.io.BufferedInputStream;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.util.Arrays;
import java.util.Collections;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.zip.GZIPInputStream;

/**
 * The properties of a CSV file that cannot be inferred from its content.
 *
 * @param hasHeader whether the first line after the skipped lines names the columns
 * @param skippedLines the number of lines to skip at the beginning of the file
 * @param encoding the encoding of the text; empty for UTF-8. A byte order mark of UTF-16 takes precedence
 * @param decimal the decimal separator, a point or a comma. If empty, a point is accepted, and also a comma unless
 *     commas separate the cells
 * @param missing the texts that count as an empty cell, in addition to blank text
 * @param timeFormat the format of times; empty if times are numbers or in ISO 8601
 * @param zone the zone that applies to times without a zone
 * @param isSorted whether to sort the rows by time; sorting keeps all rows in memory
 * @param notation the rarer properties
 */
public record CsvFormat(
        boolean hasHeader,
        int skippedLines,
        Optional<Charset> encoding,
        Optional<Character> decimal,
        Set<String> missing,
        Optional<DateTimeFormatter> timeFormat,
        ZoneId zone,
        boolean isSorted,
        Notation notation) {
    /** The format that applies unless other properties are given. */
    public static final CsvFormat USUAL = new CsvFormat(
            true, 0, Optional.empty(), Optional.empty(), Set.of(), Optional.empty(), ZoneOffset.UTC, false);

    /**
     * The rarer properties of a file.
     *
     * @param delimiter the character between cells; if empty, it is detected
     * @param grouping the character that groups the digits of a value in thousands: a point, a comma, an apostrophe or
     *     a blank; if empty, grouped numbers are errors
     * @param timeUnit the unit of numeric times; if empty, seconds or milliseconds since 1970
     * @param rowsAfterHeader the number of rows after the header that are no measurements, such as units
     */
    public record Notation(
            Optional<Character> delimiter,
            Optional<Character> grouping,
            Optional<TimeUnit> timeUnit,
            int rowsAfterHeader) {
        /** The notation that applies unless other properties are given. */
        public static final Notation USUAL = new Notation(Optional.empty(), Optional.empty(), Optional.empty(), 0);
    }

    private static final byte[] GZIP = {0x1f, (byte) 0x8b};
    private static final byte[] UTF_16BE = {(byte) 0xfe, (byte) 0xff};
    private static final byte[] UTF_16LE = {(byte) 0xff, (byte) 0xfe};
    private static final char BYTE_ORDER_MARK = '\uFEFF';

    /** Creates a format with the usual notation. */
    public CsvFormat(
            boolean hasHeader,
            int skippedLines,
            Optional<Charset> encoding,
            Optional<Character> decimal,
            Set<String> missing,
            Optional<DateTimeFormatter> timeFormat,
            ZoneId zone,
            boolean isSorted) {
        this(hasHeader, skippedLines, encoding, decimal, missing, timeFormat, zone, isSorted, Notation.USUAL);
    }

    public CsvFormat {
        missing = Collections.unmodifiableSet(new TreeSet<>(missing)); // sorted, so that equal formats are equal texts
    }

    /**
     * Returns the formatter for a pattern of {@link DateTimeFormatter}. The formatter accepts English names of months
     * and days, in upper or lower case.
     */
    public static DateTimeFormatter timeFormat(String pattern) {
        return new DateTimeFormatterBuilder()
                .parseCaseInsensitive()
                .appendPattern(pattern)
                .toFormatter(Locale.ENGLISH);
    }

    /** Returns whether a stream begins like a gzip file. Consumes nothing; the stream must support marks. */
    public static boolean isGzip(InputStream stream) throws IOException {
        return Arrays.equals(firstTwo(stream), GZIP);
    }

    /**
     * Returns a reader of the text of a stream. If the stream is compressed with gzip, the reader decompresses it. The
     * text does not include a byte order mark.
     */
    BufferedReader text(InputStream stream) throws IOException {
        InputStream bytes = new BufferedInputStream(stream);
        if (isGzip(bytes)) {
            bytes = new BufferedInputStream(new GZIPInputStream(bytes));
        }
        byte[] first = firstTwo(bytes);
        Charset charset = Arrays.equals(first, UTF_16BE) || Arrays.equals(first, UTF_16LE)
                ? StandardCharsets.UTF_16
                : encoding.orElse(StandardCharsets.UTF_8);
        BufferedReader text = new BufferedReader(new InputStreamReader(bytes, charset));
        text.mark(1);
        if (text.read() != BYTE_ORDER_MARK) {
            text.reset();
        }
        return text;
    }

    private static byte[] firstTwo(InputStream stream) throws IOException {
        stream.mark(2);
        byte[] first = stream.readNBytes(2);
        stream.reset();
        return first;
    }

    boolean isMissing(String cell) {
        return cell.isBlank() || missing.contains(cell.strip());
    }

    /**
     * Returns the text of which {@code certify --follow} stores a digest. A format with the usual notation has the text
     * that it had before notations existed.
     */
    @Override
    public String toString() {
        return "CsvFormat[hasHeader=%s, skippedLines=%s, encoding=%s, decimal=%s, missing=%s, timeFormat=%s, zone=%s, isSorted=%s%s]"
                .formatted(
                        hasHeader,
                        skippedLines,
                        encoding,
                        decimal,
                        missing,
                        timeFormat,
                        zone,
                        isSorted,
                        notation.equals(Notation.USUAL) ? "" : ", " + notation);
    }
}
