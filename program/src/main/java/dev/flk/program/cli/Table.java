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
 * A table of results for a terminal, laid out by picocli. A column is as wide as its longest value. After a value of more
 * than {@value #MAX_WIDTH} characters, the rest of the row is on the next line. Unprintable characters are replaced.
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

    /** Adds a column of text with a minimum width, for rows that are printed one at a time. */
    public Table<R> left(String heading, int width, Function<? super R, ?> value) {
        columns.add(new TableColumn<>(heading, width, false, value));
        return this;
    }

    /** Adds a column of numbers, which are aligned to the right. */
    public Table<R> right(String heading, Function<? super R, ?> value) {
        return right(heading, 0, value);
    }

    /** Adds a column of numbers with a minimum width, for rows that are printed one at a time. */
    public Table<R> right(String heading, int width, Function<? super R, ?> value) {
        columns.add(new TableColumn<>(heading, width, true, value));
        return this;
    }

    /** Returns the headings and the rows. */
    public String of(List<? extends R> rows) {
        return lines(Stream.concat(Stream.of(headings()), rows.stream().map(this::values))
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

    private List<Text> headings() {
        return columns.stream().map(column -> Paragraph.text(column.heading())).toList();
    }

    private List<Text> values(R row) {
        return columns.stream()
                .map(column -> Paragraph.text(String.valueOf(column.value().apply(row))))
                .toList();
    }

    private String lines(List<List<Text>> lines) {
        int[] widths = IntStream.range(0, columns.size())
                .map(i -> lines.stream()
                        .mapToInt(line -> Math.min(line.get(i).getCJKAdjustedLength(), MAX_WIDTH))
                        .reduce(columns.get(i).width(), Math::max))
                .toArray();
        TextTable table = TextTable.forColumns(
                Paragraph.PLAIN,
                Arrays.stream(widths)
                        .mapToObj(width -> new Column(width + GAP.length(), 0, Overflow.SPAN))
                        .toArray(Column[]::new));
        table.indentWrappedLines = 0;
        for (List<Text> line : lines) {
            table.addRowValues(IntStream.range(0, widths.length)
                    .mapToObj(i -> aligned(line.get(i), columns.get(i).isRight() ? widths[i] : 0))
                    .toArray(Text[]::new));
        }
        return table.toString();
    }

    private static Text aligned(Text value, int width) {
        int missing = Math.max(0, width - value.getCJKAdjustedLength());
        return Paragraph.text(" ".repeat(missing)).concat(value).concat(GAP);
    }
}
