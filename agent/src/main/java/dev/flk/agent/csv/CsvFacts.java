// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.csv;

import dev.flk.agent.csv.RowOrder.Measured;
import dev.flk.canonical.CanonicalDouble;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The statements, for users, of how the rows of a CSV were read so far. */
public final class CsvFacts {
    private final CsvCells cells;
    private final CsvColumns columns;
    private final boolean isGrowing;
    private final long headerLine;
    private @Nullable Measured earliest;
    private @Nullable Measured latest;

    CsvFacts(CsvCells cells, CsvColumns columns, boolean isGrowing) {
        this.cells = cells;
        this.columns = columns;
        this.isGrowing = isGrowing;
        headerLine = cells.line();
    }

    /**
     * A statement of how the file is read, for users.
     *
     * @param label the subject; empty if the statement continues the one before
     */
    public record Fact(String label, String text) {
        @Override
        public String toString() {
            return label.isEmpty() ? text : label + ": " + text;
        }
    }

    /** Adds a row. */
    void add(Measured row) {
        if (earliest == null || row.seconds() < earliest.seconds()) {
            earliest = row;
        }
        if (latest == null || row.seconds() >= latest.seconds()) {
            latest = row;
        }
    }

    /** Returns whether the latest row has a local time, in a zone without rules. */
    boolean lacksZone() {
        return latest != null && latest.time().lacksZone();
    }

    /**
     * Returns how the file was read so far: the dialect, the header, the columns, the first and the last time, and the
     * first value of each column, as written and as read. The last time of a growing file is left out.
     */
    List<Fact> understood(RowParser parser) {
        List<Fact> facts = new ArrayList<>();
        CsvFormat format = parser.format();
        CsvFormat.Notation notation = format.notation();
        boolean hasTimes = !columns.times().isEmpty();
        List<String> valueNames = columns.valueNames();
        facts.add(new Fact(
                "cells",
                "separated by a " + cells.dialect().name() + ", "
                        + cells.dialect().source()));
        notation.grouping().ifPresent(mark -> facts.add(new Fact("", "thousands grouped by '" + mark + "'")));
        facts.add(new Fact(
                "header",
                format.hasHeader()
                        ? "line " + headerLine
                                + (notation.rowsAfterHeader() > 0
                                        ? ", and " + notation.rowsAfterHeader() + " skipped after it"
                                        : "")
                        : "none"));
        facts.add(new Fact("time", hasTimes ? columns.timeName() : "none: row numbers are used instead"));
        if (hasTimes) {
            facts.add(new Fact("", parser.times().meaning()));
        }
        facts.add(new Fact(
                "values", String.join(", ", valueNames) + (valueNames.size() == 1 ? ", as a curve over time" : "")));
        columns.shard().ifPresent(column -> facts.add(new Fact("shards", columns.shown(column))));
        if (!columns.ignoredNames().isEmpty()) {
            facts.add(new Fact("ignored", String.join(", ", columns.ignoredNames())));
        }
        facts.addAll(first(parser));
        if (latest != null && !isGrowing) {
            facts.add(new Fact("last", shownTime(latest, format)));
        }
        return facts;
    }

    /** Returns how the first row was read; an empty list before it. */
    List<Fact> first(RowParser parser) {
        CsvFormat format = parser.format();
        List<Fact> facts = new ArrayList<>();
        if (earliest != null) {
            facts.add(new Fact("first", shownTime(earliest, format)));
            for (int i = 0; i < earliest.values().size(); i++) {
                int column = columns.values().get(i);
                facts.add(new Fact(
                        "",
                        columns.shown(column) + " "
                                + CsvCells.shown(
                                        earliest.cells().getField(column).strip()) + " read as "
                                + CanonicalDouble.print(earliest.values().get(i))
                                + parser.numbers()
                                        .ofValue(i)
                                        .decimal()
                                        .map(mark -> ", decimal " + mark)
                                        .orElse("")));
            }
        }
        return facts;
    }

    private String shownTime(Measured row, CsvFormat format) {
        return "line " + row.line()
                + (!columns.times().isEmpty()
                        ? ": " + CsvCells.shown(row.written()) + " read as "
                                + TimeFormat.instant(row.seconds(), format.usedZone())
                        : "");
    }
}
