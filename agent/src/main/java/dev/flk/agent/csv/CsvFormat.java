// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.csv;

import dev.flk.agent.csv.CsvRows.MalformedCsv;
import java.io.BufferedInputStream;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.zip.GZIPInputStream;

/**
 * The properties of a CSV file that cannot be inferred from its content.
 *
 * @param hasHeader whether the first line after the skipped lines names the columns
 * @param skippedLines the number of lines to skip at the beginning of the file
 * @param encoding the encoding of the text; empty for UTF-8. A byte order mark of UTF-16 takes precedence
 * @param decimal the decimal separator, a point or a comma. If empty, a point is accepted, and also a comma unless
 *     commas separate the cells
 * @param missing the texts that count as an empty cell, in addition to blank text; a text may name several, separated
 *     by commas
 * @param timeFormat the format of times; empty if times are numbers or in ISO 8601
 * @param zone the zone that applies to times without a zone; empty for UTC, which a growing file does not assume
 * @param isSorted whether to sort the rows by time; sorting keeps all rows in memory
 * @param notation the rarer properties
 * @param filter the lines and rows that are no measurements
 */
public record CsvFormat(
        boolean hasHeader,
        int skippedLines,
        Optional<Charset> encoding,
        Optional<Character> decimal,
        Set<String> missing,
        Optional<TimeFormat> timeFormat,
        Optional<ZoneId> zone,
        boolean isSorted,
        Notation notation,
        Filter filter) {
    /** The format that applies unless other properties are given. */
    public static final CsvFormat USUAL = new CsvFormat(
            true, 0, Optional.empty(), Optional.empty(), Set.of(), Optional.empty(), Optional.empty(), false);

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

    /**
     * The lines and rows that are no measurements.
     *
     * @param comment the first character of lines that are skipped
     * @param only the columns and their texts, as {@code COLUMN=TEXT}, of the rows that are read
     * @param skippedLastLines the number of lines to skip at the end of the file, apart from blank lines
     */
    public record Filter(Optional<Character> comment, List<String> only, int skippedLastLines) {
        /** The filter that leaves out nothing. */
        public static final Filter NONE = new Filter(Optional.empty(), List.of(), 0);

        public Filter {
            only = List.copyOf(only);
        }
    }

    private static final byte[] GZIP = {0x1f, (byte) 0x8b};
    private static final char BYTE_ORDER_MARK = '\uFEFF';

    /** Creates a format with the usual notation, of which nothing is left out. */
    public CsvFormat(
            boolean hasHeader,
            int skippedLines,
            Optional<Charset> encoding,
            Optional<Character> decimal,
            Set<String> missing,
            Optional<TimeFormat> timeFormat,
            Optional<ZoneId> zone,
            boolean isSorted) {
        this(
                hasHeader,
                skippedLines,
                encoding,
                decimal,
                missing,
                timeFormat,
                zone,
                isSorted,
                Notation.USUAL,
                Filter.NONE);
    }

    public CsvFormat {
        missing = Set.copyOf(missing);
    }

    /** Returns whether a stream begins like a gzip file. Consumes nothing; the stream must support marks. */
    public static boolean isGzip(InputStream stream) throws IOException {
        stream.mark(GZIP.length);
        byte[] first = stream.readNBytes(GZIP.length);
        stream.reset();
        return Arrays.equals(first, GZIP);
    }

    /**
     * Returns a reader of the text of a stream. If the stream is compressed with gzip, the reader decompresses it. The
     * text does not include a byte order mark.
     *
     * @param isGrowing whether a line end must be a single byte
     */
    BufferedReader text(InputStream stream, boolean isGrowing) throws IOException, MalformedCsv {
        InputStream bytes = new BufferedInputStream(stream);
        if (isGzip(bytes)) {
            bytes = new BufferedInputStream(new GZIPInputStream(bytes));
        }
        Charset charset = FileSignature.charset(bytes).or(() -> encoding).orElse(StandardCharsets.UTF_8);
        if (isGrowing && isWide(charset)) {
            throw new MalformedCsv(
                    "the file is in " + charset + ", which is read of complete files only; let its program"
                            + " write UTF-8, or certify the file when it is complete");
        }
        BufferedReader text = new BufferedReader(new InputStreamReader(bytes, charset));
        text.mark(1);
        if (text.read() != BYTE_ORDER_MARK) {
            text.reset();
        }
        return text;
    }

    /** Returns whether a file can be read only once it is complete. Consumes nothing; the stream must support marks. */
    public boolean isOfCompleteFiles(InputStream csv) throws IOException, MalformedCsv {
        return isGzip(csv)
                || !filter.equals(Filter.NONE)
                || FileSignature.charset(csv)
                        .or(() -> encoding)
                        .filter(CsvFormat::isWide)
                        .isPresent();
    }

    /** Returns whether a line end takes more than one byte. */
    private static boolean isWide(Charset charset) {
        return charset.name().matches("(?i)X?-?UTF-?(16|32).*");
    }

    /** Returns each text that counts as an empty cell. */
    Set<String> missingTexts() {
        return missing.stream().flatMap(each -> Arrays.stream(each.split(","))).collect(Collectors.toSet());
    }

    /** Returns this format with a delimiter and a decimal separator, unless it has its own. */
    public CsvFormat settled(char delimiter, Optional<Character> settledDecimal) {
        return new CsvFormat(
                hasHeader,
                skippedLines,
                encoding,
                hasDecimal() ? decimal : settledDecimal,
                missing,
                timeFormat,
                zone,
                isSorted,
                new Notation(
                        Optional.of(notation.delimiter().orElse(delimiter)),
                        notation.grouping(),
                        notation.timeUnit(),
                        notation.rowsAfterHeader()),
                filter);
    }

    /** Returns whether an option determines the decimal separator, or that the other mark groups thousands. */
    boolean hasDecimal() {
        return decimal.isPresent() || notation.grouping().isPresent();
    }

    /** Returns the zone of times without a zone. */
    ZoneId usedZone() {
        return zone.orElse(ZoneOffset.UTC);
    }
}
