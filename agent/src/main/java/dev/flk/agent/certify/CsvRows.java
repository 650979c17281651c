// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import de.siegmar.fastcsv.reader.CsvParseException;
import de.siegmar.fastcsv.reader.CsvReader;
import de.siegmar.fastcsv.reader.CsvRecord;
import dev.flk.canonical.CanonicalDouble;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.SequenceInputStream;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.time.temporal.TemporalAccessor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A reader of the rows of a CSV with measurements, owned by one thread.
 *
 * <pre>
 * timestamp,x,y,z             the first line names the columns
 * 1517363399.650,-122.197,46.2035,3.28
 * </pre>
 *
 * The separator is a comma, a semicolon or a tab, whichever is most frequent in the first line. With a semicolon or a
 * tab, numbers may have a decimal comma. A time is a number or a text in ISO 8601 (in UTC if it has no zone). A number
 * below 1e11 is in seconds since 1970, any other number in milliseconds. A file with one column has no times; row
 * numbers replace them. Rows with an empty cell are skipped and counted. {@code NaN}, {@code Infinity} and numbers that
 * overflow a double are errors: replacing them would put invented values into a certificate. Quotes, spaces around a
 * number, blank lines, CRLF line ends, a UTF-8 byte order mark and further columns are allowed.
 */
public final class CsvRows {
    private static final int MOST_VALUES = 3;
    private static final char[] SEPARATORS = {',', ';', '\t'};
    private static final String USUAL_TIME = "timestamp";
    private static final List<String> USUAL_VALUES = List.of("x", "y", "z");
    private static final String HOW = "choose others with --time COLUMN --value COLUMN[,COLUMN[,COLUMN]]";

    private static final Pattern NUMBER = Pattern.compile("[+-]?(\\d+(\\.\\d*)?|\\.\\d+)([eE][+-]?\\d+)?");
    /** The lowest number that counts as milliseconds since 1970; as seconds, it would be a time in the year 5138. */
    private static final double LEAST_MILLIS = 1e11;

    private static final double MOST_MILLIS = 1e14;
    private static final DateTimeFormatter ISO = new DateTimeFormatterBuilder()
            .append(DateTimeFormatter.ISO_LOCAL_DATE)
            .optionalStart()
            .appendLiteral('T')
            .append(DateTimeFormatter.ISO_LOCAL_TIME)
            .optionalStart()
            .parseLenient() // an offset may lack the minutes
            .appendOffset("+HHmm", "Z")
            .toFormatter(Locale.ROOT);

    private static final int MAX_CHARS = 1 << 16;
    private static final byte[] BYTE_ORDER_MARK = {(byte) 0xef, (byte) 0xbb, (byte) 0xbf};

    private final Iterator<CsvRecord> records;
    private final char separator;
    private final List<String> header;
    /** The index of the time column; -1 if the file has none. */
    private final int timeColumn;

    private final List<Integer> valueColumns;
    private long line;
    private long rows;
    private long skippedRows;

    /**
     * The columns to read.
     *
     * @param time the column of the times; {@code timestamp} if empty
     * @param values one to three columns of values; if empty, the columns named {@code x}, {@code y} and {@code z}, as
     *     far as they exist
     */
    public record Columns(Optional<String> time, List<String> values) {
        /** The default columns. */
        public static final Columns USUAL = new Columns(Optional.empty(), List.of());

        public Columns {
            values = List.copyOf(values);
            if (values.size() > MOST_VALUES) {
                throw new IllegalArgumentException(
                        "at most " + MOST_VALUES + " columns can be values, not " + values.size());
            }
        }
    }

    /** Reads the names of the columns. The caller closes the stream. */
    public CsvRows(InputStream stream, Columns columns) throws IOException, MalformedCsv {
        byte[] first = firstLine(stream);
        separator = separator(new String(first, StandardCharsets.UTF_8));
        records = CsvReader.builder()
                .fieldSeparator(separator)
                .skipEmptyLines(true)
                .allowExtraFields(true)
                .allowMissingFields(true)
                .trimWhitespacesAroundQuotes(true)
                .maxBufferSize(MAX_CHARS)
                .ofCsvRecord(new InputStreamReader(
                        new SequenceInputStream(new ByteArrayInputStream(first), stream), StandardCharsets.UTF_8))
                .iterator();
        CsvRecord names = nextRecord();
        if (names == null) {
            throw new MalformedCsv("the file is empty; its first line must name the columns, such as timestamp,x,y,z");
        }
        header = names.getFields().stream().map(String::strip).toList();
        timeColumn = timeColumn(columns);
        valueColumns = valueColumns(columns);
    }

    /** Returns the bytes of the first line, with its line end and without a byte order mark. */
    private static byte[] firstLine(InputStream stream) throws IOException, MalformedCsv {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        int b;
        do {
            b = stream.read();
            if (b >= 0) {
                line.write(b);
            }
            if (b == 0) {
                throw new MalformedCsv("line 1: is not text in UTF-8; save the file as CSV in UTF-8");
            }
            if (line.size() > MAX_CHARS) {
                throw new MalformedCsv("line 1: is longer than " + MAX_CHARS + " bytes; is this a CSV file?");
            }
        } while (b >= 0 && b != '\n');
        byte[] bytes = line.toByteArray();
        boolean isMarked = bytes.length >= BYTE_ORDER_MARK.length
                && Arrays.equals(bytes, 0, BYTE_ORDER_MARK.length, BYTE_ORDER_MARK, 0, BYTE_ORDER_MARK.length);
        return isMarked ? Arrays.copyOfRange(bytes, BYTE_ORDER_MARK.length, bytes.length) : bytes;
    }

    private static char separator(String names) {
        char best = SEPARATORS[0];
        for (char candidate : SEPARATORS) {
            if (count(names, candidate) > count(names, best)) {
                best = candidate;
            }
        }
        return best;
    }

    /** Returns the number of occurrences of a character outside quotes. */
    private static long count(String text, char wanted) {
        boolean isQuoted = false;
        long count = 0;
        for (int i = 0; i < text.length(); i++) {
            isQuoted ^= text.charAt(i) == '"';
            count += !isQuoted && text.charAt(i) == wanted ? 1 : 0;
        }
        return count;
    }

    private int timeColumn(Columns columns) throws MalformedCsv {
        if (columns.time().isPresent() || header.contains(USUAL_TIME)) {
            return column(columns.time().orElse(USUAL_TIME));
        }
        if (header.size() == 1) {
            return -1;
        }
        throw unknown(USUAL_TIME);
    }

    private List<Integer> valueColumns(Columns columns) throws MalformedCsv {
        List<Integer> chosen = new ArrayList<>();
        for (String name : columns.values()) {
            chosen.add(column(name));
        }
        if (chosen.isEmpty() && timeColumn < 0) {
            chosen.add(0);
        }
        if (chosen.isEmpty()) {
            for (String name : USUAL_VALUES) {
                if (header.contains(name)) {
                    chosen.add(column(name));
                }
            }
        }
        if (chosen.isEmpty()) {
            throw unknown(USUAL_VALUES.get(0));
        }
        return List.copyOf(chosen);
    }

    private int column(String name) throws MalformedCsv {
        int found = header.indexOf(name);
        if (found < 0) {
            throw unknown(name);
        }
        if (found != header.lastIndexOf(name)) {
            throw malformed("column " + shown(name) + " occurs twice; rename one of them");
        }
        return found;
    }

    private MalformedCsv unknown(String name) {
        String names = header.stream().map(CsvRows::shown).collect(Collectors.joining(", "));
        boolean isData = header.stream().allMatch(each -> NUMBER.matcher(each).matches());
        return malformed("there is no column " + shown(name) + ", "
                + (isData
                        ? "because this line contains data; add a line above it that names the columns"
                        : "the columns are " + names + "; " + HOW));
    }

    /** Returns the next row; null after the last one. */
    @Nullable
    Row next() throws IOException, MalformedCsv {
        while (true) {
            CsvRecord cells = nextRecord();
            if (cells == null) {
                return null;
            }
            if (cells.getFieldCount() == 1 && cells.getField(0).isBlank()) {
                continue;
            }
            checkCount(cells);
            if (hasEmpty(cells)) {
                skippedRows++;
                continue;
            }
            rows++;
            double time = timeColumn < 0 ? rows : seconds(cells);
            double[] values = new double[MOST_VALUES];
            for (int i = 0; i < valueColumns.size(); i++) {
                values[i] = number(cells, valueColumns.get(i), "--value");
            }
            return new Row(time, valueColumns.size(), values[0], values[1], values[2]);
        }
    }

    private @Nullable CsvRecord nextRecord() throws IOException, MalformedCsv {
        try {
            if (!records.hasNext()) {
                return null;
            }
            CsvRecord next = records.next();
            line = next.getStartingLineNumber();
            return next;
        } catch (UncheckedIOException e) {
            throw e.getCause();
        } catch (CsvParseException e) {
            line++;
            throw malformed("can't be split into cells: a quote is not closed, or a cell is longer than " + MAX_CHARS
                    + " characters; is this a CSV file?");
        }
    }

    private void checkCount(CsvRecord cells) throws MalformedCsv {
        boolean isMore = false;
        for (int i = header.size(); i < cells.getFieldCount(); i++) {
            isMore |= !cells.getField(i).isBlank();
        }
        if (isMore || cells.getFieldCount() <= lastColumn()) {
            throw malformed("has " + cells.getFieldCount() + " cells, but the first line has " + header.size()
                    + "; put double quotes around a cell that contains a " + separatorName());
        }
    }

    private int lastColumn() {
        return Math.max(
                timeColumn,
                valueColumns.stream().mapToInt(Integer::intValue).max().orElseThrow());
    }

    private boolean hasEmpty(CsvRecord cells) {
        return (timeColumn >= 0 && cells.getField(timeColumn).isBlank())
                || valueColumns.stream()
                        .anyMatch(column -> cells.getField(column).isBlank());
    }

    private double seconds(CsvRecord cells) throws MalformedCsv {
        String text = cells.getField(timeColumn).strip();
        String plain = withPoint(text);
        if (NUMBER.matcher(plain).matches()) {
            double number = number(cells, timeColumn, "--time");
            if (Math.abs(number) < LEAST_MILLIS) {
                return number;
            }
            if (Math.abs(number) < MOST_MILLIS) {
                return new BigDecimal(plain).movePointLeft(3).doubleValue();
            }
        } else {
            Optional<Instant> instant = instant(text);
            if (instant.isPresent()) {
                Instant time = instant.get();
                return BigDecimal.valueOf(time.getEpochSecond())
                        .add(BigDecimal.valueOf(time.getNano(), 9))
                        .doubleValue();
            }
        }
        throw malformed("column " + shown(header.get(timeColumn)) + ": " + shown(text)
                + " is not a time: write seconds or milliseconds since 1970, or 2018-01-30T12:34:56Z,"
                + " or choose another column with --time");
    }

    private static Optional<Instant> instant(String text) {
        try {
            TemporalAccessor time = ISO.parseBest(
                    text.replaceFirst("(?<=\\d) +(?=\\d)", "T")
                            .replaceFirst(" +(?=[Z+-])", "")
                            .replaceFirst("(?<=[+-]\\d\\d):(?=\\d\\d$)", ""),
                    OffsetDateTime::from,
                    LocalDateTime::from,
                    LocalDate::from);
            if (time instanceof OffsetDateTime zoned) {
                return Optional.of(zoned.toInstant());
            }
            LocalDateTime local = time instanceof LocalDateTime both ? both : ((LocalDate) time).atStartOfDay();
            return Optional.of(local.toInstant(ZoneOffset.UTC));
        } catch (DateTimeException e) {
            return Optional.empty();
        }
    }

    private double number(CsvRecord cells, int column, String option) throws MalformedCsv {
        String text = cells.getField(column).strip();
        String plain = withPoint(text);
        if (!NUMBER.matcher(plain).matches()) {
            throw malformed("column " + shown(header.get(column)) + ": " + shown(text)
                    + " is not a decimal number; choose another column with " + option
                    + ", or leave the cell empty to skip the row");
        }
        double value = Double.parseDouble(plain);
        if (!Double.isFinite(value)) {
            throw malformed("column " + shown(header.get(column)) + ": " + shown(text) + " is too large for a double");
        }
        return value;
    }

    /**
     * Replaces a decimal comma with a point. Returns the text unchanged if commas separate the cells or the text has a
     * point.
     */
    private String withPoint(String text) {
        return separator == ',' || text.indexOf('.') >= 0 ? text : text.replace(',', '.');
    }

    /** Returns the error for a mistake in the line that was read last. */
    MalformedCsv malformed(String what) {
        return new MalformedCsv("line " + line + ": " + what);
    }

    /** Returns the number of rows that were returned so far. */
    public long rows() {
        return rows;
    }

    /** Returns the number of rows that were skipped so far because of an empty cell. */
    public long skippedRows() {
        return skippedRows;
    }

    /** Returns the name of the separator: comma, semicolon or tab. */
    public String separatorName() {
        return switch (separator) {
            case ';' -> "semicolon";
            case '\t' -> "tab";
            default -> "comma";
        };
    }

    /**
     * Returns the name of the time column, as shown to users; empty if the file has no times, in which case row numbers
     * replace them.
     */
    public Optional<String> timeName() {
        return timeColumn < 0 ? Optional.empty() : Optional.of(shown(header.get(timeColumn)));
    }

    /** Returns the names of the value columns, as shown to users. */
    public List<String> valueNames() {
        return valueColumns.stream().map(column -> shown(header.get(column))).toList();
    }

    /** Returns the names of the columns that are not read, as shown to users. */
    public List<String> ignoredNames() {
        List<String> names = new ArrayList<>();
        for (int i = 0; i < header.size(); i++) {
            if (i != timeColumn && !valueColumns.contains(i)) {
                names.add(shown(header.get(i)));
            }
        }
        return names;
    }

    /**
     * Returns a text from the file as it is shown on a terminal: truncated, without control characters, and in quotes
     * unless it looks like a name.
     */
    private static String shown(String text) {
        String clean = text.replaceAll("\\p{Cntrl}", "?");
        String cut = clean.length() > 40 ? clean.substring(0, 40) + "…" : clean;
        return cut.matches("[\\p{L}\\p{N}_.-]+") && !NUMBER.matcher(cut).matches() ? cut : "\"" + cut + "\"";
    }

    /**
     * A measurement.
     *
     * @param timestampSeconds the time in seconds since 1970, with a fraction; the number of the row if the file has no
     *     times
     * @param values the number of values, 1 to 3; missing values of y and z are 0
     */
    record Row(double timestampSeconds, int values, double x, double y, double z) {

        Row {
            if (!Double.isFinite(timestampSeconds)
                    || !Double.isFinite(x)
                    || !Double.isFinite(y)
                    || !Double.isFinite(z)) {
                throw new IllegalArgumentException("the numbers of a row must be finite");
            }
        }

        Row(double timestampSeconds, double x, double y, double z) {
            this(timestampSeconds, MOST_VALUES, x, y, z);
        }

        /**
         * Returns the row as {@code timestamp,x,y,z}, without missing values. Each number is the shortest text that
         * parses to the same value. The certificate is computed from this text, not from the text in the file, because
         * {@code 1.50} and {@code 1.5} are the same measurement.
         */
        String text() {
            StringBuilder text = new StringBuilder(CanonicalDouble.print(timestampSeconds));
            double[] all = {x, y, z};
            for (int i = 0; i < values; i++) {
                text.append(',').append(CanonicalDouble.print(all[i]));
            }
            return text.toString();
        }
    }

    /**
     * The error for a file that is not a valid CSV of measurements. The message names the line, the column if it is
     * known, and what to do.
     */
    public static final class MalformedCsv extends Exception {

        MalformedCsv(String message) {
            super(message);
        }
    }
}
