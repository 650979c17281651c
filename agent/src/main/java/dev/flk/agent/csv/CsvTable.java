// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.csv;

import de.siegmar.fastcsv.reader.CsvRecord;
import dev.flk.agent.csv.CsvRows.MalformedCsv;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.IntStream;

/**
 * The table that the first and last lines of a CSV contain, perhaps with other lines around it. It begins and ends with
 * the lines that have a time, or else a number, in the first column in which most lines have one. The lines directly
 * above it that have as many cells are its header and its units.
 */
final class CsvTable {
    private static final String DELIMITERS = ",;\t|";
    private static final int MOST_LINES_BEFORE = 100;
    private static final int MOST_LINES_AFTER = 5;
    private static final int MOST_UNIT_ROWS = 3;

    /** A line that is not blank, or several lines if a quote is open at the end of the first one. */
    private record Line(long number, List<String> cells) {
        String cell(int column) {
            return column < cells.size() ? cells.get(column) : "";
        }

        int width() {
            return cells.size();
        }
    }

    private final List<Line> lines;
    private final char delimiter;
    /** The number of cells of the longest line. */
    private final int width;
    /** The columns with times or numbers. */
    private final List<Integer> data;

    private final List<Line> rows;
    private final int first;
    private final int linesAfter;
    /** The index of the header, or of the first row if the table has no header. */
    private int top;

    private CsvTable(List<Line> lines, char delimiter, boolean hasNoHeader) {
        this.lines = lines;
        this.delimiter = delimiter;
        width = lines.stream().mapToInt(Line::width).max().orElse(0);
        long most = IntStream.range(0, width)
                .mapToLong(column -> count(column, CsvTable::isData))
                .max()
                .orElse(0);
        data = IntStream.range(0, width)
                .filter(column -> most > 0 && 2 * count(column, CsvTable::isData) >= most)
                .boxed()
                .toList();
        Optional<Integer> time = data.stream()
                .filter(column -> 2 * count(column, Proposal::isTime) >= most)
                .findFirst();
        int key = time.or(() -> data.stream().findFirst()).orElse(0);
        Predicate<String> isKey = time.isPresent() ? Proposal::isTime : CsvTable::isData;
        rows = data.isEmpty()
                ? lines.stream().skip(1).toList()
                : lines.stream().filter(line -> isKey.test(line.cell(key))).toList();
        first = rows.isEmpty() ? 0 : lines.indexOf(rows.get(0));
        List<Line> after =
                rows.isEmpty() ? rows : lines.subList(lines.lastIndexOf(rows.get(rows.size() - 1)) + 1, lines.size());
        boolean mayBeRows =
                after.stream().anyMatch(line -> line.cell(key).matches("\\d.*")); // such as an incomplete row
        linesAfter = mayBeRows || after.size() > MOST_LINES_AFTER ? 0 : after.size();
        top = first;
        while (!hasNoHeader && top > 0 && first - top <= MOST_UNIT_ROWS && isHeading(lines.get(top - 1))) {
            top--;
        }
    }

    private long count(int column, Predicate<String> isWanted) {
        return lines.stream().filter(line -> isWanted.test(line.cell(column))).count();
    }

    /** Returns whether the line above the lines of the table so far may be its header or have its units. */
    private boolean isHeading(Line above) {
        return top == first
                ? data.stream().allMatch(column -> column < above.width())
                : above.width() == lines.get(top).width()
                        && above.cells().stream().noneMatch(CsvTable::isData);
    }

    /**
     * Finds the table in a text. Of several delimiters, takes the one that divides the lines into the most columns of
     * times and numbers, with a header above them.
     */
    static CsvTable find(String text, CsvOptions options) throws IOException {
        List<CsvTable> tables = new ArrayList<>();
        for (char each : options.delimiter == null ? DELIMITERS.toCharArray() : new char[] {','}) {
            List<Line> lines = new ArrayList<>();
            try {
                CsvCells cells = new CsvCells(
                        new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_16)),
                        options.format().settled(each, Optional.empty()),
                        false);
                for (CsvRecord next = cells.next(); next != null; next = cells.next()) {
                    lines.add(new Line(
                            cells.line(),
                            next.getFields().stream().map(String::strip).toList()));
                }
            } catch (MalformedCsv e) {
                // the lines before the mistake suffice
            }
            tables.add(new CsvTable(lines, each, options.hasNoHeader));
        }
        return Collections.max(
                tables,
                Comparator.<CsvTable>comparingInt(table -> table.data.size())
                        .thenComparing(table -> table.top < table.first)
                        .thenComparing(table -> table.width));
    }

    private static boolean isData(String cell) {
        return NumberColumn.mayBeNumber(cell) || Proposal.isTime(cell);
    }

    /** Sets the options that lead to this table. */
    void settle(CsvOptions options) {
        if (options.delimiter == null && header().size() > 1) {
            options.delimiter = delimiter == '\t' ? "tab" : String.valueOf(delimiter);
        }
        options.hasNoHeader = top == first;
        if (top > 0) {
            options.skippedLines = (int) lines.get(top).number() - 1;
        }
        options.rowsAfterHeader = top == first ? 0 : Math.max(options.rowsAfterHeader, first - top - 1);
        options.skippedLastLines += linesAfter;
    }

    char delimiter() {
        return delimiter;
    }

    /** Returns the names of the columns; their numbers, if the table has no header. */
    List<String> header() {
        List<String> cells = lines.get(top).cells();
        return top < first
                ? cells
                : IntStream.rangeClosed(1, cells.size())
                        .mapToObj(Integer::toString)
                        .toList();
    }

    /** Returns the number of the line with the first row. */
    long firstLine() {
        return lines.get(first).number();
    }

    /** Returns the rows, each with as many cells as the header; empty if the file seems to contain no table. */
    List<List<String>> rows() {
        return first > MOST_LINES_BEFORE
                ? List.of()
                : rows.stream()
                        .map(row -> IntStream.range(0, header().size())
                                .mapToObj(row::cell)
                                .toList())
                        .toList();
    }
}
