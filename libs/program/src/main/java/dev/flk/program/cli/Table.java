// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import picocli.CommandLine.Help.Ansi.Text;
import picocli.CommandLine.Help.Column;
import picocli.CommandLine.Help.Column.Overflow;
import picocli.CommandLine.Help.TextTable;

/**
 * A table of results for a terminal, laid out by picocli. A column is as wide as its longest value. After a value of
 * more than {@value #MAX_WIDTH} characters, the rest of the row is on the next line. Text in the last column is cut at
 * the end of the line. Unprintable characters are replaced.
 *
 * @param <R> the type of the results, one for each row
 */
public final class Table<R> {
    private static final int MAX_WIDTH = 38;
    private static final String GAP = "  ";

    private final List<TableColumn<R>> columns = new ArrayList<>();

    private record TableColumn<R>(String heading, int width, boolean isRight, Function<? super R, ?> value) {}

    /** Adds a column of text. */
    public Table<R> left(String heading, Function<? super R, ?> value) {
        return left(heading, 0, value);
    }

    /** Adds a column of text with a minimum width, so that rows that are printed one at a time are aligned. */
    public Table<R> left(String heading, int width, Function<? super R, ?> value) {
        columns.add(new TableColumn<>(heading, width, false, value));
        return this;
    }

    /** Adds a column of numbers, which are aligned to the right. */
    public Table<R> right(String heading, Function<? super R, ?> value) {
        return right(heading, 0, value);
    }

    /** Adds a column of numbers with a minimum width, so that rows that are printed one at a time are aligned. */
    public Table<R> right(String heading, int width, Function<? super R, ?> value) {
        columns.add(new TableColumn<>(heading, width, true, value));
        return this;
    }

    /** Returns the headings and the rows; an empty text if there are no rows. */
    public String of(List<? extends R> rows) {
        return rows.isEmpty()
                ? ""
                : lines(Stream.concat(Stream.of(headings()), rows.stream().map(this::values))
                        .toList());
    }

    /** Returns the line with the headings. */
    public String heading() {
        return lines(List.of(headings()));
    }

    /** Returns one row. */
    public String row(R row) {
        return lines(List.of(values(row)));
    }

    private List<String> headings() {
        return columns.stream().map(TableColumn::heading).toList();
    }

    private List<String> values(R row) {
        return columns.stream()
                .map(column -> String.valueOf(column.value().apply(row)))
                .toList();
    }

    private String lines(List<List<String>> lines) {
        int last = columns.size() - 1;
        int[] widths = IntStream.rangeClosed(0, last)
                .map(i -> lines.stream()
                        .mapToInt(line -> Math.min(line.get(i).length(), MAX_WIDTH))
                        .reduce(columns.get(i).width(), Math::max))
                .map(width -> width + GAP.length())
                .toArray();
        if (!columns.get(last).isRight()) {
            int before = Arrays.stream(widths).limit(last).sum();
            widths[last] = Math.max(GAP.length(), Paragraph.COLUMNS - before);
        }
        TextTable table = TextTable.forColumns(
                Paragraph.PLAIN,
                Arrays.stream(widths)
                        .mapToObj(width -> new Column(width, 0, Overflow.SPAN))
                        .toArray(Column[]::new));
        table.indentWrappedLines = 0;
        for (List<String> line : lines) {
            table.addRowValues(IntStream.rangeClosed(0, last)
                    .mapToObj(i -> Paragraph.text(
                            cell(line.get(i), widths[i], columns.get(i).isRight(), i == last)))
                    .toArray(Text[]::new));
        }
        return table.toString();
    }

    private static String cell(String value, int width, boolean isRight, boolean isLast) {
        if (isRight) {
            return ("%" + (width - GAP.length()) + "s" + GAP).formatted(value);
        }
        if (isLast) {
            return value.length() <= width ? value : value.substring(0, width - 1) + "…";
        }
        return value + GAP;
    }
}
