// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.csv;

import de.siegmar.fastcsv.reader.CsvRecord;
import dev.flk.agent.csv.CsvRows.MalformedCsv;
import dev.flk.agent.csv.CsvTimes.NotATime;
import dev.flk.agent.csv.CsvTimes.Time;
import dev.flk.agent.csv.CsvTimes.WrongZone;
import dev.flk.agent.csv.NumberColumn.NotANumber;
import dev.flk.agent.csv.RowOrder.Measured;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/** The conversion of the cells of a CSV into measurements, in one notation. Owned by one thread. */
final class RowParser {
    private final CsvFormat format;
    private final CsvColumns columns;
    private final CsvCells cells;
    private final CsvNumbers numbers;
    private final CsvTimes times;
    private final RowFilter filter;
    /** The names of shards, of which all rows have the same object. */
    private final Map<String, String> shardNames = new HashMap<>();

    /**
     * Creates a parser.
     *
     * @param isStarted whether an earlier row of the same CSV showed that its times are plausible
     */
    RowParser(CsvFormat format, CsvColumns columns, CsvCells cells, boolean isStarted) throws MalformedCsv {
        this.format = format;
        this.columns = columns;
        this.cells = cells;
        numbers = new CsvNumbers(format, columns, cells.dialect().delimiter());
        times = new CsvTimes(format, numbers.ofTime(), columns.plainTimeName(), isStarted);
        filter = new RowFilter(format, columns, numbers, cells);
    }

    CsvFormat format() {
        return format;
    }

    CsvNumbers numbers() {
        return numbers;
    }

    CsvTimes times() {
        return times;
    }

    RowFilter filter() {
        return filter;
    }

    /** Returns whether a cell may have a number or a time, so that it is not the name of a column. */
    static boolean mayBeData(String cell, CsvFormat format, char delimiter) {
        return NumberColumn.isNumber(cell)
                || new CsvTimes(format, new NumberColumn(format, delimiter, true), "", true).mayBeTime(cell);
    }

    /** Requires that the header names the columns that are read: a measurement must not be lost as a header. */
    void requireNames(CsvRecord record) throws MalformedCsv {
        boolean areNumbers = true;
        for (int column : columns.values()) {
            String cell = record.getField(column).strip();
            areNumbers &= NumberColumn.isNumber(cell) || filter.isMissing(record, column);
        }
        boolean mayBeMeasurement = columns.times().isEmpty()
                ? areNumbers
                : times.mayBeTime(time(record)) && !(columns.isTimeNamed() && !areNumbers);
        if (mayBeMeasurement) {
            throw cells.malformed("may be a measurement instead of the names of the columns, because "
                    + (columns.times().isEmpty() ? "it has a number" : CsvCells.shown(time(record)) + " may be a time")
                    + "; if it is one, use --no-header with the numbers of columns; if it is not, also skip it with"
                    + " --skip-lines " + cells.line());
        }
    }

    /**
     * Returns the parser of all rows of a growing file after its first one, which settles the notation; this parser if
     * the first row changes nothing. Throws if an option is missing.
     */
    RowParser settled(Measured first) throws MalformedCsv {
        if (format.zone().isEmpty() && first.time().lacksZone()) {
            throw new MalformedCsv(
                    about(
                            first,
                            "has no zone; give the offset of the clock, such as --time-zone +01:00, or a zone, such as"
                                    + " --time-zone Europe/Berlin, of which the hour that occurs twice in autumn is"
                                    + " left out"),
                    true);
        }
        if (format.hasDecimal()) {
            return this;
        }
        Optional<Character> shown = numbers.shown(true);
        if (shown.isPresent()) {
            return new RowParser(format.settled(cells.dialect().delimiter(), shown), columns, cells, true);
        }
        Optional<String> mark = numbers.unsettled(true);
        if (mark.isPresent()) {
            throw new MalformedCsv(mark.get(), true);
        }
        if (cells.dialect().delimiter() != ',') {
            throw new MalformedCsv(
                    cells.at("no value shows the decimal separator; give --decimal . or --decimal ,"), true);
        }
        return this;
    }

    /** Returns a message about the time of a row. */
    String about(Measured row, String what) {
        return "line " + row.line() + ": column " + columns.timeName() + ": " + CsvCells.shown(row.written()) + " "
                + what;
    }

    /**
     * Returns the measurement in a record.
     *
     * @param number the number of the row, which replaces the time if the file has no times
     */
    Measured measured(CsvRecord record, long number) throws MalformedCsv {
        String written = time(record);
        Time time = columns.times().isEmpty() ? Time.once((double) number, false) : seconds(written);
        List<Double> values = new ArrayList<>();
        for (int i = 0; i < columns.values().size(); i++) {
            values.add(number(record, columns.values().get(i), numbers.ofValue(i)));
        }
        String shard = columns.shard()
                .map(column -> record.getField(column).strip())
                .map(name -> shardNames.size() < CsvRows.MOST_SHARDS
                        ? shardNames.computeIfAbsent(name, same -> same)
                        : shardNames.getOrDefault(name, name))
                .orElse("");
        return new Measured(cells.line(), record, shard, written, time, time.seconds(), values);
    }

    /** Returns the text of the time; of a date column and a time column, both texts with a blank between them. */
    private String time(CsvRecord record) {
        return columns.times().size() == 1
                ? record.getField(columns.times().get(0)).strip()
                : columns.times().stream()
                        .map(column -> record.getField(column).strip())
                        .collect(Collectors.joining(" "));
    }

    /** Requires that a record has as many cells as the header, apart from blank ones. */
    void requireCells(CsvRecord record) throws MalformedCsv {
        boolean isMore = false;
        int width = columns.header().size();
        for (int i = width; i < record.getFieldCount(); i++) {
            isMore |= !record.getField(i).isBlank();
        }
        if (isMore || record.getFieldCount() <= columns.last()) {
            throw cells.malformed("has " + record.getFieldCount() + " cells, but the first line has " + width
                    + "; put double quotes around a cell that contains a "
                    + cells.dialect().name());
        }
    }

    private Time seconds(String text) throws MalformedCsv {
        try {
            return times.read(text, cells.line());
        } catch (NotATime | NotANumber e) {
            throw new MalformedCsv(
                    cells.at("column " + columns.timeName() + ": " + CsvCells.shown(text) + " " + e.getMessage()),
                    e instanceof WrongZone);
        }
    }

    private double number(CsvRecord record, int column, NumberColumn numbersOfColumn) throws MalformedCsv {
        String text = record.getField(column).strip();
        try {
            double value = Double.parseDouble(numbersOfColumn.read(text, cells.line()));
            if (!Double.isFinite(value)) {
                throw new NotANumber("is too large for a double");
            }
            return value;
        } catch (NotANumber e) {
            throw cells.malformed("column " + columns.shown(column) + ": " + CsvCells.shown(text) + " " + e.getMessage()
                    + (NumberColumn.NO_NUMBER.equals(e.getMessage())
                            ? "; choose another column with --value, or skip such rows with --missing"
                            : ""));
        }
    }
}
