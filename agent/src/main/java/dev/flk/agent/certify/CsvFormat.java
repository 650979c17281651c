// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import java.io.BufferedInputStream;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.time.temporal.TemporalAccessor;
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
 */
public record CsvFormat(
        boolean hasHeader,
        int skippedLines,
        Optional<Charset> encoding,
        Optional<Character> decimal,
        Set<String> missing,
        Optional<DateTimeFormatter> timeFormat,
        ZoneId zone,
        boolean isSorted) {
    /** The format that applies unless other properties are given. */
    public static final CsvFormat USUAL = new CsvFormat(
            true, 0, Optional.empty(), Optional.empty(), Set.of(), Optional.empty(), ZoneOffset.UTC, false);

    private static final byte[] GZIP = {0x1f, (byte) 0x8b};
    private static final byte[] UTF_16BE = {(byte) 0xfe, (byte) 0xff};
    private static final byte[] UTF_16LE = {(byte) 0xff, (byte) 0xfe};
    private static final char BYTE_ORDER_MARK = '\uFEFF';

    private static final DateTimeFormatter ISO = new DateTimeFormatterBuilder()
            .append(DateTimeFormatter.ISO_LOCAL_DATE)
            .optionalStart()
            .appendLiteral('T')
            .append(DateTimeFormatter.ISO_LOCAL_TIME)
            .optionalStart()
            .parseLenient() // an offset may lack the minutes
            .appendOffset("+HHmm", "Z")
            .toFormatter(Locale.ROOT);

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

    /** Returns the time in a text; empty if the text is not a time. */
    Optional<Instant> instant(String text) {
        try {
            TemporalAccessor time = timeFormat.isPresent()
                    ? timeFormat.get().parseBest(text, ZonedDateTime::from, LocalDateTime::from, LocalDate::from)
                    : ISO.parseBest(
                            text.replaceFirst("(?<=\\d) +(?=\\d)", "T")
                                    .replaceFirst(" +(?=[Z+-])", "")
                                    .replaceFirst("(?<=[+-]\\d\\d):(?=\\d\\d$)", ""),
                            ZonedDateTime::from,
                            LocalDateTime::from,
                            LocalDate::from);
            if (time instanceof ZonedDateTime zoned) {
                return Optional.of(zoned.toInstant());
            }
            LocalDateTime local = time instanceof LocalDateTime both ? both : ((LocalDate) time).atStartOfDay();
            return Optional.of(local.atZone(zone).toInstant());
        } catch (DateTimeException e) {
            return Optional.empty();
        }
    }
}
