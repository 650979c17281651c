// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import de.siegmar.fastcsv.reader.CsvParseException;
import de.siegmar.fastcsv.reader.CsvReader;
import de.siegmar.fastcsv.reader.CsvRecord;
import dev.flk.canonical.CanonicalDouble;
import dev.flk.program.cli.Printable;
import java.io.BufferedReader;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.zip.ZipException;
import org.jspecify.annotations.Nullable;

/**
 * A reader of the rows of a CSV with measurements, owned by one thread.
 *
 * <pre>
 * timestamp,x,y,z             the first line names the columns
 * 1517363399.650,-122.197,46.2035,3.28
 * </pre>
 *
 * The separator is a comma, a semicolon or a tab, whichever is most frequent in the first line. If the file begins with
 * a line such as {@code sep=;}, as Excel writes it, that line determines the separator instead. By default, numbers may
 * have a decimal comma if the separator is a semicolon or a tab, and a time is a number or a text in ISO 8601 (in UTC
 * if the text has no zone). A time whose absolute value is below 1e11 is in seconds since 1970; a time whose absolute
 * value is below 1e14 is in milliseconds; any larger number is an error. Times must increase, unless the format sorts
 * the rows. A file with one column has no times; row numbers replace them. Rows in which the time or a value is empty
 * are skipped and counted. {@code NaN}, {@code Infinity} and numbers that overflow a double are errors: replacing them
 * would put invented values into a certificate. Quotes, spaces around a number, blank lines, CRLF line ends, a byte
 * order mark and further columns are allowed. A file may be compressed with gzip. {@link CsvFormat} contains the
 * properties that cannot be inferred from the file.
 */
public final class CsvRows {
    /** The part of FastCSV's messages that names the first line of the record that it can't read. */
    private static final Pattern STARTED = Pattern.compile("started in line (\\d+)");

    private static final int MOST_VALUES = 3;
    private static final char[] SEPARATORS = {',', ';', '\t'};
    private static final String USUAL_TIME = "timestamp";
    private static final List<String> USUAL_VALUES = List.of("x", "y", "z");
    private static final String HOW = "choose others with --time COLUMN --value COLUMN[,COLUMN[,COLUMN]]";

    private static final Pattern NUMBER = Pattern.compile("[+-]?(\\d+(\\.\\d*)?|\\.\\d+)([eE][+-]?\\d+)?");
    /** The lowest number that counts as milliseconds since 1970; as seconds, it would be a time in the year 5138. */
    private static final double LEAST_MILLIS = 1e11;

    private static final double MOST_MILLIS = 1e14;
    private static final int MAX_CHARS = 1 << 16;
    /** The largest number of rows to sort. All rows are then in memory; each row takes about 60 bytes. */
    private static final int MOST_SORTED = 5_000_000;

    private static final Pattern EXCEL_SEPARATOR = Pattern.compile("(?i)sep=([,;\t])\\s*");

    private final CsvFormat format;
    private final Iterator<CsvRecord> records;
    /** The number of lines of the file before the first line that {@link #records} reads. */
    private final long linesBefore;

    private final char separator;
    private final List<String> header;
    /** The index of the time column; -1 if the file has no time column. */
    private final int timeColumn;

    private final List<Integer> valueColumns;
    /** The first record, if the file has no header and the record was not returned yet; otherwise null. */
    private @Nullable CsvRecord first;

    /** The rows in the order of time; null if the format does not sort the rows, or if the rows were not read yet. */
    private @Nullable Iterator<Row> sorted;

    private long line;
    private double lastTime = Double.NEGATIVE_INFINITY;
    private long lastLine;
    private long rows;
    private long skippedRows;

    /**
     * The columns to read. A column is given by its name or, if no column has that name, by its number, from 1.
     *
     * @param time the column of the times. If empty, the column named {@code timestamp} is used. Without this column, a
     *     file with only one column has no times, and any other file without a header has the times in its first
     *     column. A file with a header, several columns and no {@code timestamp} is rejected
     * @param values one to three columns of values; a text may name several columns, separated by commas. If the list
     *     is empty, a file with a header and times has its values in the columns {@code x}, {@code y} and {@code z}, of
     *     which at least one must exist. A file without a header has them in the first three columns apart from the
     *     time. A file without times has them in its only column
     */
    public record Columns(Optional<String> time, List<String> values) {
        /** The default columns. */
        public static final Columns USUAL = new Columns(Optional.empty(), List.of());

        public Columns {
            values = List.copyOf(values);
        }
    }

    /**
     * Creates a reader of a file in the usual format, and reads the names of its columns. The caller closes the stream.
     */
    public CsvRows(InputStream stream, Columns columns) throws IOException, MalformedCsv {
        this(stream, columns, CsvFormat.USUAL);
    }

    /** Creates a reader, and reads the names of the columns. The caller closes the stream. */
    public CsvRows(InputStream stream, Columns columns, CsvFormat format) throws IOException, MalformedCsv {
        this.format = format;
        BufferedReader text;
        Matcher given;
        String names;
        long before = format.skippedLines();
        try {
            text = format.text(stream);
            for (int i = 0; i < format.skippedLines(); i++) {
                if (text.readLine() == null) {
                    throw new MalformedCsv(
                            "the file has only " + i + " lines, but --skip-lines is " + format.skippedLines());
                }
            }
            names = firstLine(text);
            given = EXCEL_SEPARATOR.matcher(names);
            if (given.matches()) {
                String line = "";
                while (line != null && line.isBlank()) { // skips blank lines and the line of the separator
                    line = text.readLine();
                    before++;
                }
            }
        } catch (EOFException | ZipException e) {
            throw damaged(e);
        }
        linesBefore = before;
        separator = given.matches() ? given.group(1).charAt(0) : separator(names);
        records = CsvReader.builder()
                .fieldSeparator(separator)
                .skipEmptyLines(true)
                .allowExtraFields(true)
                .allowMissingFields(true)
                .trimWhitespacesAroundQuotes(true)
                .maxBufferSize(MAX_CHARS)
                .ofCsvRecord(text)
                .iterator();
        CsvRecord record = nextRecord();
        if (record == null) {
            throw new MalformedCsv("the file is empty; its first line must name the columns, such as timestamp,x,y,z");
        }
        if (format.hasHeader()) {
            header = record.getFields().stream().map(String::strip).toList();
            if (header.stream()
                    .allMatch(cell -> isNumber(cell) || format.instant(cell).isPresent())) {
                throw malformed("is data and does not name the columns; add a line above it that does, or use"
                        + " --no-header with the numbers of columns");
            }
        } else {
            header = IntStream.rangeClosed(1, record.getFieldCount())
                    .mapToObj(Integer::toString)
                    .toList();
            first = record;
        }
        timeColumn = timeColumn(columns);
        valueColumns = valueColumns(columns);
    }

    /**
     * Returns the next line that is not blank, without consuming anything. Throws if the line is too long or is not
     * text.
     */
    private static String firstLine(BufferedReader text) throws IOException, MalformedCsv {
        StringBuilder line = new StringBuilder();
        text.mark(MAX_CHARS + 1);
        int c = text.read();
        while (c >= 0 && (c != '\n' || line.toString().isBlank())) {
            line.append((char) c);
            if (c == 0) {
                throw new MalformedCsv("line 1: is not text in UTF-8; save the file as CSV in UTF-8, or give its"
                        + " --encoding, such as UTF-16LE");
            }
            if (line.length() > MAX_CHARS) {
                throw new MalformedCsv("line 1: is longer than " + MAX_CHARS + " characters; is this a CSV file?");
            }
            c = text.read();
        }
        text.reset();
        return line.toString().strip();
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
        if (!format.hasHeader()) {
            return 0;
        }
        throw unknown(USUAL_TIME);
    }

    private List<Integer> valueColumns(Columns columns) throws MalformedCsv {
        List<Integer> chosen = new ArrayList<>();
        for (String names : columns.values()) {
            for (String name : header.contains(names) ? List.of(names) : List.of(names.split(",", -1))) {
                chosen.add(column(name.strip()));
            }
        }
        if (chosen.isEmpty() && timeColumn < 0) {
            chosen.add(0);
        }
        if (chosen.isEmpty() && !format.hasHeader()) {
            IntStream.range(0, header.size())
                    .filter(column -> column != timeColumn)
                    .limit(MOST_VALUES)
                    .forEach(chosen::add);
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
        if (chosen.size() > MOST_VALUES) {
            throw new MalformedCsv("--value: at most " + MOST_VALUES + " columns can be values, not " + chosen.size());
        }
        return List.copyOf(chosen);
    }

    private int column(String name) throws MalformedCsv {
        int found = header.indexOf(name);
        if (found < 0 && name.matches("[1-9]\\d{0,3}") && Integer.parseInt(name) <= header.size()) {
            return Integer.parseInt(name) - 1;
        }
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
        return malformed("there is no column " + shown(name) + ", the columns are " + names + "; " + HOW);
    }

    /** Returns the next row; null after the last one. */
    @Nullable
    Row next() throws IOException, MalformedCsv {
        if (!format.isSorted()) {
            return read();
        }
        if (sorted == null) {
            sorted = sorted();
        }
        return sorted.hasNext() ? sorted.next() : null;
    }

    private Iterator<Row> sorted() throws IOException, MalformedCsv {
        List<Row> all = new ArrayList<>();
        for (Row row = read(); row != null; row = read()) {
            all.add(row);
            if (all.size() > MOST_SORTED) {
                throw malformed("--sort holds all rows in memory, at most " + MOST_SORTED
                        + "; sort the file by another program");
            }
        }
        all.sort(Comparator.comparingDouble(Row::timestampSeconds));
        return all.iterator();
    }

    /** Returns the next row in the order of the file; null after the last one. */
    private @Nullable Row read() throws IOException, MalformedCsv {
        while (true) {
            CsvRecord cells = first != null ? first : nextRecord();
            first = null;
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
            if (time <= lastTime && !format.isSorted()) {
                throw malformed("column " + shown(header.get(timeColumn)) + ": "
                        + shown(cells.getField(timeColumn).strip())
                        + (time == lastTime ? " repeats the time of line " : " is earlier than the time of line ")
                        + lastLine + "; times must increase: sort the file, or use --sort");
            }
            lastTime = time;
            lastLine = line;
            double[] values = new double[MOST_VALUES];
            for (int i = 0; i < valueColumns.size(); i++) {
                values[i] = number(cells, valueColumns.get(i), "--value");
            }
            return new Row(time, valueColumns.size(), values[0], values[1], values[2]);
        }
    }

    /** Returns whether the file has times. If not, row numbers replace the times. */
    boolean hasTimes() {
        return timeColumn >= 0;
    }

    /** Returns the error for a file without rows. */
    MalformedCsv noRows() {
        return new MalformedCsv(
                skippedRows > 0
                        ? "every row has an empty cell, so there is nothing to certify"
                        : "the file has no rows after the names of the columns, so there is nothing to certify");
    }

    private @Nullable CsvRecord nextRecord() throws IOException, MalformedCsv {
        try {
            if (!records.hasNext()) {
                return null;
            }
            CsvRecord next = records.next();
            line = linesBefore + next.getStartingLineNumber();
            return next;
        } catch (UncheckedIOException e) {
            if (e.getCause() instanceof EOFException || e.getCause() instanceof ZipException) {
                throw damaged(e.getCause());
            }
            throw e.getCause();
        } catch (CsvParseException e) {
            Matcher started = STARTED.matcher(String.valueOf(e.getMessage()));
            line = started.find() ? linesBefore + Long.parseLong(started.group(1)) : line + 1;
            throw malformed("can't be split into cells: a quote is not closed, or a cell is longer than " + MAX_CHARS
                    + " characters; is this a CSV file?");
        }
    }

    private static MalformedCsv damaged(IOException cause) {
        return new MalformedCsv("the compressed file is damaged or incomplete: " + cause.getMessage());
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
        return (timeColumn >= 0 && format.isMissing(cells.getField(timeColumn)))
                || valueColumns.stream().anyMatch(column -> format.isMissing(cells.getField(column)));
    }

    private double seconds(CsvRecord cells) throws MalformedCsv {
        String text = cells.getField(timeColumn).strip();
        String plain = withPoint(text);
        if (format.timeFormat().isEmpty() && NUMBER.matcher(plain).matches()) {
            double number = number(cells, timeColumn, "--time");
            if (Math.abs(number) < LEAST_MILLIS) {
                return number;
            }
            if (Math.abs(number) < MOST_MILLIS) {
                return new BigDecimal(plain).movePointLeft(3).doubleValue();
            }
        } else {
            Optional<Instant> instant = format.instant(text);
            if (instant.isPresent()) {
                Instant time = instant.get();
                return BigDecimal.valueOf(time.getEpochSecond())
                        .add(BigDecimal.valueOf(time.getNano(), 9))
                        .doubleValue();
            }
        }
        throw malformed("column " + shown(header.get(timeColumn)) + ": " + shown(text)
                + (format.timeFormat().isPresent()
                        ? " is not a time in the format of --time-format"
                        : " is not a time: write seconds or milliseconds since 1970, or 2018-01-30T12:34:56Z,"
                                + " or give its --time-format, or choose another column with --time"));
    }

    private double number(CsvRecord cells, int column, String option) throws MalformedCsv {
        String text = cells.getField(column).strip();
        String plain = withPoint(text);
        if (!NUMBER.matcher(plain).matches()) {
            throw malformed("column " + shown(header.get(column)) + ": " + shown(text)
                    + " is not a decimal number; choose another column with " + option
                    + ", or skip such rows with --missing");
        }
        double value = Double.parseDouble(plain);
        if (!Double.isFinite(value)) {
            throw malformed("column " + shown(header.get(column)) + ": " + shown(text) + " is too large for a double");
        }
        return value;
    }

    /**
     * Replaces a decimal comma with a point. Returns the text unchanged if numbers of this file can't have a decimal
     * comma, or if the text contains a point.
     */
    private String withPoint(String text) {
        boolean hasComma = format.decimal().map(decimal -> decimal == ',').orElse(separator != ',');
        return !hasComma || text.indexOf('.') >= 0 ? text : text.replace(',', '.');
    }

    private boolean isNumber(String text) {
        return NUMBER.matcher(withPoint(text)).matches();
    }

    /**
     * Returns the error for a mistake in the line that was read last. Leaves out the number of the line if the rows are
     * sorted, because all lines are then read before the first row is returned.
     */
    MalformedCsv malformed(String what) {
        return new MalformedCsv(sorted == null ? "line " + line + ": " + what : what);
    }

    /** Returns the number of rows that were read so far, without skipped rows. */
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
     * replace the times.
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
     * Returns a text from the file as it is shown on a terminal: truncated, {@link Printable}, and in quotes unless it
     * looks like a name.
     */
    private static String shown(String text) {
        String clean = Printable.of(text.replace('\t', '?'));
        String cut = clean.length() > 40 ? clean.substring(0, 40) + "…" : clean;
        return cut.matches("[\\p{L}\\p{N}_.-]+") && !NUMBER.matcher(cut).matches() ? cut : "\"" + cut + "\"";
    }

    /**
     * A measurement.
     *
     * @param timestampSeconds the time in seconds since 1970, with a fraction; the number of the row if the file has no
     *     times
     * @param values the number of values, 1 to 3. If there is no second or third value, {@code y} or {@code z} is 0
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
         * Returns the row as {@code timestamp,x,y,z}, or with fewer values if the row has fewer. Each number is the
         * shortest text that parses to the same value. The {@code merkle_root} and {@code r} of a certificate are
         * computed from this text, not from the text in the file, because {@code 1.50} and {@code 1.5} are the same
         * measurement.
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
     * The error for a file that is not a valid CSV of measurements. The message says what is wrong and what to do, and
     * names the line and the column if they are known.
     */
    public static final class MalformedCsv extends Exception {

        MalformedCsv(String message) {
            super(message);
        }
    }
}
