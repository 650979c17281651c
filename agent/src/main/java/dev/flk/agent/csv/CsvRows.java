// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.csv;

import de.siegmar.fastcsv.reader.CsvRecord;
import dev.flk.agent.csv.CsvFacts.Fact;
import dev.flk.agent.csv.RowOrder.Measured;
import dev.flk.canonical.CanonicalDouble;
import dev.flk.certificate.ShardId;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
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
 * {@link CsvDialect} divides the text into cells, {@link CsvColumns} finds the columns, {@link RowParser} reads the
 * cells, and {@link RowOrder} requires that times do not go back, unless the format sorts the rows. A file with one column
 * has no times; row numbers replace them. Rows in which the time or a value is empty are skipped and counted. Nothing
 * is guessed silently: a cell that may have two meanings is an error that names the option to choose one, and {@link
 * #understood} returns how everything else was read. {@code NaN}, {@code Infinity} and numbers that overflow a double
 * are errors: replacing them would put invented values into a certificate. {@link CsvFormat} contains the properties
 * that cannot be inferred from the file.
 */
public final class CsvRows {
    /** The largest number of rows to sort. All rows are then in memory; each row takes about 60 bytes. */
    private static final int MOST_SORTED = 5_000_000;
    /** The largest number of shards of a file; more are a wrong column, perhaps. */
    static final int MOST_SHARDS = 1_000;
    /** The number of records without a row after which reading pauses. */
    private static final int MOST_SKIPPED = 10_000;
    /** The number of rows that show whether a file has several sensors. */
    private static final int MOST_COMPARED = 10_000;

    private final boolean isGrowing;
    private final CsvCells cells;
    private final Columns wanted;
    private final long headingLines;
    private final Deque<Measured> settled = new ArrayDeque<>();
    private final Map<String, RowOrder> orders = new HashMap<>();
    private CsvColumns columns;
    private CsvFacts facts;
    private RowParser parser;
    /** The first record, if the file has no header and the record was not returned yet; otherwise null. */
    private @Nullable CsvRecord first;

    /** The rows in the order of time; null if the format does not sort the rows, or if the rows were not read yet. */
    private @Nullable Iterator<Row> sorted;

    private long skippedLines;
    /** The last line that named the columns of a growing file again, in another order, until it is taken. */
    private @Nullable String newHeader;

    /** The row that was returned last. */
    private @Nullable Measured returned;

    private boolean isPausing;
    private boolean isPaused;
    private boolean isEnded;
    private long measuredRows;
    private long rows;
    private long skippedRows;
    private long leftOutRows;
    /** Whether the last record that was read is a measurement. */
    private boolean isLastMeasured;

    /**
     * The columns to read. A column is given by its name or, if no column has that name, by its number, from 1.
     *
     * @param time the column of the times, or a date column and a time column, separated by a comma. If empty, the
     *     column named {@code timestamp} is used. Without this column, a file with only one column has no times, and any
     *     other file without a header has the times in its first column. A file with a header, several columns and no
     *     {@code timestamp} is rejected
     * @param values one to three columns of values; a text may name several columns, separated by commas. If the list
     *     is empty, a file with a header and times has its values in the columns {@code x}, {@code y} and {@code z}, of
     *     which at least one must exist. A file without a header has them in the first three columns apart from the
     *     time. A file without times has them in its only column
     * @param shard the column that names the shard of a row; if empty, all rows belong together
     */
    public record Columns(Optional<String> time, List<String> values, Optional<String> shard) {
        /** The default columns. */
        public static final Columns USUAL = new Columns(Optional.empty(), List.of());

        public Columns {
            values = List.copyOf(values);
        }

        /** Creates columns of which none names a shard. */
        public Columns(Optional<String> time, List<String> values) {
            this(time, values, Optional.empty());
        }
    }

    /** Creates a reader of a complete file, and reads the names of the columns. The caller closes the stream. */
    public CsvRows(InputStream stream, Columns columns, CsvFormat format) throws IOException, MalformedCsv {
        this(stream, columns, format, false, false);
    }

    /**
     * Creates a reader of a file, and reads the names of the columns. The caller closes the stream.
     *
     * @param isGrowing whether the first row must settle how all rows are written, and each line is read by itself
     * @param isStarted whether an earlier row of the same CSV showed that its times are plausible
     */
    public CsvRows(InputStream stream, Columns wanted, CsvFormat given, boolean isGrowing, boolean isStarted)
            throws IOException, MalformedCsv {
        this.isGrowing = isGrowing;
        this.wanted = wanted;
        cells = new CsvCells(stream, given, isGrowing);
        CsvFormat format = isGrowing ? given.settled(cells.dialect().delimiter(), given.decimal()) : given;
        CsvRecord record = cells.next();
        if (record == null) {
            throw new MalformedCsv(
                    format.filter().skippedLastLines() > 0
                            ? "the file has no lines before those that --skip-last-lines skips"
                            : "the file is empty; its first line must name the columns, such as timestamp,x,y,z");
        }
        char delimiter = cells.dialect().delimiter();
        if (format.hasHeader()
                && record.getFields().stream()
                        .map(String::strip)
                        .allMatch(cell -> RowParser.mayBeData(cell, format, delimiter))) {
            throw cells.malformed("is data and does not name the columns; add a line above it that does, or use"
                    + " --no-header with the numbers of columns");
        }
        columns = CsvColumns.find(record.getFields(), format.hasHeader(), wanted, cells);
        facts = new CsvFacts(cells, columns, isGrowing);
        parser = new RowParser(format, columns, cells, isStarted);
        if (format.hasHeader()) {
            parser.requireNames(record);
            skipRows(format.notation().rowsAfterHeader());
        } else {
            first = record;
        }
        headingLines = format.hasHeader() ? cells.line() : cells.dialect().linesBefore();
    }

    private void skipRows(int count) throws IOException, MalformedCsv {
        for (int i = 0; i < count; i++) {
            if (cells.next() == null) {
                throw new MalformedCsv("the file has only " + i + " rows after the header, but --skip-rows-after-header"
                        + " is " + count);
            }
        }
    }

    /** Returns the number of lines before the first row. */
    public long headingLines() {
        return headingLines;
    }

    /**
     * Finds the columns again if a line of a growing file names them: a program that starts again may write them in
     * another order. Returns whether the line does.
     *
     * @throws MalformedCsv if the line has not the names of all columns, so that no row after it can be read
     */
    private boolean isHeaderAgain(CsvRecord record) throws MalformedCsv {
        CsvFormat format = parser.format();
        List<String> names = record.getFields().stream().map(String::strip).toList();
        boolean hasName = columns.used().stream()
                .anyMatch(column -> names.contains(columns.header().get(column)));
        if (!isGrowing
                || !format.hasHeader()
                || !hasName
                || names.stream()
                        .anyMatch(cell -> RowParser.mayBeData(
                                cell, format, cells.dialect().delimiter()))) {
            return false;
        }
        if (!names.equals(columns.header())) {
            try {
                columns = CsvColumns.find(record.getFields(), true, wanted, cells);
            } catch (MalformedCsv e) {
                throw new MalformedCsv(e.getMessage() + "; the rows after this line have other columns", true);
            }
            parser = new RowParser(format, columns, cells, true);
            facts = new CsvFacts(cells, columns, true);
            newHeader = written();
        }
        return true;
    }

    /** Returns the last line that named the columns again, in another order, once. */
    public Optional<String> takeNewHeader() {
        Optional<String> taken = Optional.ofNullable(newHeader);
        newHeader = null;
        return taken;
    }

    /**
     * Settles how the rows of a growing file are written, by a row that was read last, and returns the row as it is then
     * read. Throws if an option is missing.
     */
    public Measured settled(Measured row) throws MalformedCsv {
        RowParser before = parser;
        parser = before.settled(row);
        Measured settled = parser == before ? row : parser.measured(row.cells(), measuredRows);
        take(settled);
        return settled;
    }

    /** Returns the next row of a complete file, as soon as later rows settle its time; null after the last one. */
    @Nullable
    public Row next() throws IOException, MalformedCsv {
        if (parser.format().isSorted()) {
            if (sorted == null) {
                sorted = sorted();
            }
            return sorted.hasNext() ? sorted.next() : null;
        }
        while (true) {
            Measured next = settled.poll();
            if (next != null) {
                take(next);
                return next.row();
            }
            if (isEnded) {
                return null;
            }
            Measured read = read();
            if (read != null) {
                order(read).add(read);
            } else if (isPaused) {
                return null;
            } else {
                isEnded = true;
                for (RowOrder order : orders.values()) {
                    order.end(parser.numbers());
                }
            }
        }
    }

    private RowOrder order(Measured row) throws MalformedCsv {
        RowOrder known = orders.get(row.shard());
        if (known != null) {
            return known;
        }
        checkNewShard(row, orders.size());
        RowOrder order = new RowOrder(this, settled);
        orders.put(row.shard(), order);
        return order;
    }

    /** Requires that the shard of a row, which is not one of the known shards, is a valid one and not one too many. */
    public void checkNewShard(Measured row, int known) throws MalformedCsv {
        if (columns.shard().isEmpty()) {
            return;
        }
        String what = "line " + row.line() + ": column "
                + columns.shown(columns.shard().get()) + ": " + CsvCells.shown(row.shard()) + " ";
        if (known >= MOST_SHARDS) {
            throw new MalformedCsv(what + "would be shard " + (known + 1) + ", but at most " + MOST_SHARDS
                    + " are certified; name the column of the sensors with --shard-column, or divide the file");
        }
        try {
            ShardId.check(row.shard());
        } catch (IllegalArgumentException e) {
            throw new MalformedCsv(what + "is no shard: " + e.getMessage());
        }
    }

    private void take(Measured row) {
        rows++;
        returned = row;
        facts.add(row);
    }

    private Iterator<Row> sorted() throws IOException, MalformedCsv {
        List<Row> all = new ArrayList<>();
        for (Measured row = read(); row != null; row = read()) {
            RowOrder order = order(row);
            if (row.time().isTwice()) {
                throw order.unsettled(row);
            }
            take(row);
            all.add(row.row());
            if (all.size() > MOST_SORTED) {
                throw cells.malformed("--sort holds all rows in memory, at most " + MOST_SORTED
                        + "; sort the file by another program");
            }
        }
        for (RowOrder order : orders.values()) {
            order.end(parser.numbers());
        }
        all.sort(Comparator.comparingDouble(Row::timestampSeconds));
        return all.iterator();
    }

    /** Leaves out the lines up to this one, of which nothing but the names of the columns is read. */
    public void skipTo(long line) {
        skippedLines = line;
    }

    /** Returns the next row in the order of the file, whether its time is settled or not; null after the last one. */
    @Nullable
    public Measured read() throws IOException, MalformedCsv {
        isPaused = false;
        for (long records = 0; !isPausing || records < MOST_SKIPPED; records++) {
            CsvRecord record = first != null ? first : cells.next();
            first = null;
            if (record == null) {
                return null;
            }
            if (isHeaderAgain(record) || cells.line() <= skippedLines) {
                continue;
            }
            isLastMeasured = false;
            if (parser.filter().leavesOut(record)) {
                leftOutRows++;
                continue;
            }
            parser.requireCells(record);
            if (parser.filter().hasEmpty(record)) {
                skippedRows++;
                continue;
            }
            isLastMeasured = true;
            measuredRows++;
            return parser.measured(record, measuredRows);
        }
        isPaused = true;
        return null;
    }

    /** Makes {@link #next} return null also after many records that are no rows. */
    public void pause() {
        isPausing = true;
    }

    /** Returns whether {@link #next} returned null although there may be more rows. */
    public boolean isPaused() {
        return isPaused;
    }

    /** Returns whether the file has times. If not, row numbers replace the times. */
    public boolean hasTimes() {
        return !columns.times().isEmpty();
    }

    /** Returns the format, including the parts that the first row of a growing file settled. */
    public CsvFormat format() {
        return parser.format();
    }

    /** Returns a message about the time of a row. */
    public String about(Measured row, String what) {
        return parser.about(row, what);
    }

    /** Returns the number of the line that was read last. */
    public long line() {
        return cells.line();
    }

    /** Returns the text of the line of a growing file that was read last. */
    public String written() {
        return cells.written().strip();
    }

    /** Returns the error for a file without rows. */
    public MalformedCsv noRows() {
        if (skippedRows == 0 && leftOutRows > 0) {
            return new MalformedCsv("no row has what --only requires, so there is nothing to certify");
        }
        return new MalformedCsv(
                skippedRows > 0
                        ? "every row has an empty cell, so there is nothing to certify"
                        : "the file has no rows after the names of the columns, so there is nothing to certify");
    }

    /**
     * Returns the option for a file with several sensors, if these rows, of which the times do not increase, and the
     * next ones show that it is one: the rows of each text of a column have times that increase, and texts repeat
     * unless all times are equal. No other row may be read after that.
     */
    Optional<String> sensors(Measured before, Measured row) throws IOException {
        if (columns.shard().isPresent()) {
            return Optional.empty();
        }
        List<Measured> some = new ArrayList<>(List.of(before, row));
        try {
            for (Measured next = read(); next != null && some.size() < MOST_COMPARED; next = read()) {
                some.add(next);
            }
        } catch (MalformedCsv e) {
            // the rows before this mistake suffice
        }
        return Sensors.option(columns, some);
    }

    /**
     * Returns the option for a file with several sensors, if two rows with the same time show that it is one: another
     * column has texts, and they differ.
     */
    public Optional<String> sensorsAtOneTime(Measured before, Measured row) {
        return columns.shard().isPresent() ? Optional.empty() : Sensors.option(columns, List.of(before, row));
    }

    /**
     * Returns the error for a mistake in the row that was returned last. Leaves out the number of the line if the rows
     * are sorted, because all lines are then read before the first row is returned.
     */
    public MalformedCsv malformed(String what) {
        return new MalformedCsv(sorted == null && returned != null ? "line " + returned.line() + ": " + what : what);
    }

    /** Returns the number of rows that were read so far, without skipped rows. */
    public long rows() {
        return rows;
    }

    /** Returns whether a column names the shards. */
    public boolean hasShards() {
        return columns.shard().isPresent();
    }

    /** Returns the number of shards of the rows of a complete file that were read so far. */
    public int shards() {
        return orders.size();
    }

    /** Returns the number of rows that were skipped so far because of an empty cell. */
    public long skippedRows() {
        return skippedRows;
    }

    /** Returns the number of rows that were left out so far because of {@code --only}. */
    public long leftOutRows() {
        return leftOutRows;
    }

    /**
     * Returns the warning that the last measurement of a file, which was read to its end, may be cut off: it is one of
     * the lines that {@code --skip-last-lines} skips, or its line has no end.
     */
    public Optional<String> lastMayBeCut() {
        for (CsvRecord skipped : cells.skippedLast()) {
            try {
                parser.requireCells(skipped);
                if (!parser.filter().leavesOut(skipped) && !parser.filter().hasEmpty(skipped)) {
                    parser.measured(skipped, rows);
                    return Optional.of("line " + cells.lineOf(skipped) + " is skipped as one of the last lines, but"
                            + " reads as a measurement; if it is one, skip fewer lines");
                }
            } catch (MalformedCsv e) {
                // not a measurement
            }
        }
        return isLastMeasured && cells.isLastWithoutEnd()
                ? Optional.of("line " + cells.line() + " is the last one and has no line end: if the file was cut"
                        + " there, its values may be cut")
                : Optional.empty();
    }

    /** Returns the names of the value columns, as shown to users. */
    public List<String> valueNames() {
        return columns.valueNames();
    }

    /**
     * Returns how the file was read so far: the dialect, the header, the columns, the first and the last time, and the
     * first value of each column, as written and as read. The last time of a growing file is left out.
     */
    public List<Fact> understood() {
        return facts.understood(parser);
    }

    /**
     * Returns how the first row of a file is read, on one line. The caller closes the stream.
     *
     * @param isGrowing whether the first row must settle how all rows are written
     */
    public static String firstRow(InputStream stream, Columns columns, CsvFormat format, boolean isGrowing)
            throws IOException, MalformedCsv {
        CsvRows rows = new CsvRows(stream, columns, format, isGrowing, false);
        Measured row = rows.read();
        if (row == null) {
            throw rows.noRows();
        }
        if (isGrowing) {
            row = rows.settled(row);
        }
        rows.checkNewShard(row, 0);
        rows.facts.add(row);
        return rows.shownFirst();
    }

    /** Returns how the first row was read, on one line; empty before it. */
    public String shownFirst() {
        return facts.first(parser).stream().map(Fact::text).collect(Collectors.joining(", "));
    }

    /**
     * Sets the columns by their names, and what the options left open and the rows so far settled: the delimiter, the
     * decimal separator and, if times have no zone, UTC. Returns whether times have no zone.
     */
    public boolean settle(CsvOptions options) {
        char delimiter = cells.dialect().delimiter();
        options.delimiter = delimiter == '\t' ? "tab" : String.valueOf(delimiter);
        if (!parser.format().hasDecimal()) {
            options.decimal = String.valueOf(parser.numbers().shown(false).orElse('.'));
        }
        options.time = hasTimes()
                ? CsvColumns.names(columns.header(), columns.times()).collect(Collectors.joining(","))
                : null;
        options.values = CsvColumns.names(columns.header(), columns.values()).toList();
        if (options.timeZone == null && facts.lacksZone()) {
            options.timeZone = "UTC";
            return true;
        }
        return false;
    }

    /** Returns {@link #understood} on one line, with the numbers of rows of a complete file. */
    public String facts() {
        return understood().stream().map(Fact::toString).collect(Collectors.joining("; "))
                + (isGrowing
                        ? ""
                        : "; rows: " + rows + ", and " + skippedRows + " skipped because of an empty cell"
                                + (leftOutRows > 0 ? ", " + leftOutRows + " left out by --only" : ""));
    }

    /**
     * A measurement.
     *
     * @param shard the shard that a column names; empty without such a column
     * @param timestampSeconds the time in seconds since 1970, with a fraction; the number of the row if the file has no
     *     times
     * @param values the number of values, 1 to 3. If there is no second or third value, {@code y} or {@code z} is 0
     */
    public record Row(String shard, double timestampSeconds, int values, double x, double y, double z) {

        public Row {
            if (!Double.isFinite(timestampSeconds)
                    || !Double.isFinite(x)
                    || !Double.isFinite(y)
                    || !Double.isFinite(z)) {
                throw new IllegalArgumentException("the numbers of a row must be finite");
            }
        }

        public Row(double timestampSeconds, int values, double x, double y, double z) {
            this("", timestampSeconds, values, x, y, z);
        }

        public Row(double timestampSeconds, double x, double y, double z) {
            this(timestampSeconds, CsvColumns.MOST_VALUES, x, y, z);
        }

        /** Returns whether another row has the same values. */
        public boolean hasSameValues(Row other) {
            return x == other.x && y == other.y && z == other.z;
        }

        /**
         * Returns the row as {@code timestamp,x,y,z}, or with fewer values if the row has fewer. Each number is the
         * shortest text that parses to the same value. The {@code merkle_root} and {@code r} of a certificate are
         * computed from this text, not from the text in the file, because {@code 1.50} and {@code 1.5} are the same
         * measurement.
         */
        public String text() {
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
        /** Whether the mistake concerns all rows, because an option must say how they are written. */
        public final boolean isOptionMissing;

        public MalformedCsv(String message) {
            this(message, false);
        }

        public MalformedCsv(String message, boolean isOptionMissing) {
            super(message);
            this.isOptionMissing = isOptionMissing;
        }
    }
}
