// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.csv;

import de.siegmar.fastcsv.reader.CsvRecord;
import dev.flk.agent.csv.CsvRows.MalformedCsv;
import dev.flk.agent.csv.CsvRows.Row;
import dev.flk.agent.csv.CsvTimes.Time;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The order of the rows of one shard of a complete file by time. Times must not go back; rows with one time keep their
 * order. A local time that occurs twice,
 * at the end of daylight saving time, is settled by the rows around it: if an hour follows that would otherwise be
 * earlier, the rows before it are in the first pass and it is in the second. Rows wait until they are settled. A file
 * whose rows are not settled is refused.
 */
public final class RowOrder {
    private static final int MOST_WAITING = 1_000_000;
    private static final double LONGEST_STEP_BACK_SECONDS = 3_600;

    private final CsvRows rows;
    private final Deque<Measured> settled;
    /** The rows with a time that occurs twice, and that may still be in either pass. */
    private final Deque<Measured> open = new ArrayDeque<>();

    /** Whether two rows had one time, so that a local time that is repeated may be one time, too. */
    private boolean hasEqual;

    /** The last row, at its earliest possible instant. */
    private @Nullable Measured last;

    /** Creates the order of rows of a reader. Rows are added to {@code settled} when their times are settled. */
    RowOrder(CsvRows rows, Deque<Measured> settled) {
        this.rows = rows;
        this.settled = settled;
    }

    /**
     * A row of a file.
     *
     * @param shard the text of the column that names the shard; empty without such a column
     * @param written the cell of the time, or both cells; empty if the file has no times
     * @param seconds the earliest of the instants of {@code time} that the rows before allow
     */
    public record Measured(
            long line, CsvRecord cells, String shard, String written, Time time, double seconds, List<Double> values) {
        private Measured at(double instant) {
            return new Measured(line, cells, shard, written, time, instant, values);
        }

        /** Returns the readings of a local time that occurs twice; empty for other times. */
        public Optional<String> twice() {
            return time.isTwice() ? Optional.of(time.readings()) : Optional.empty();
        }

        public Row row() {
            return new Row(
                    shard,
                    seconds,
                    values.size(),
                    values.get(0),
                    values.size() > 1 ? values.get(1) : 0,
                    values.size() > 2 ? values.get(2) : 0);
        }
    }

    /** Adds the next row. */
    void add(Measured row) throws IOException, MalformedCsv {
        Measured before = last;
        Time time = row.time();
        boolean isEqual = before != null && time.seconds() == before.seconds();
        if (before != null && isEqual && !time.isTwice()) {
            requireOneSensor(before, row);
        }
        if (isEqual && time.isTwice() && hasEqual) {
            throw unsettled(row);
        }
        boolean isFirstPossible = before == null || time.seconds() > before.seconds() || (isEqual && !time.isTwice());
        if (before != null && !isFirstPossible && time.laterSeconds() < before.seconds()) {
            throw goesBack(row, before);
        }
        Measured added = row.at(isFirstPossible ? time.seconds() : time.laterSeconds());
        last = added;
        if (isFirstPossible && time.isTwice()) {
            open.add(added);
            if (open.size() > MOST_WAITING) {
                throw unsettled(open.getFirst());
            }
        } else {
            settle(added);
        }
    }

    /** Requires of the first two rows with one time that no other column names several sensors. */
    private void requireOneSensor(Measured before, Measured row) throws MalformedCsv {
        Optional<String> sensors = hasEqual ? Optional.empty() : rows.sensorsAtOneTime(before, row);
        if (sensors.isPresent()) {
            throw new MalformedCsv(rows.about(row, "repeats the time of line " + before.line() + ": " + sensors.get()));
        }
        hasEqual = true;
    }

    /** Settles the open rows by a row that has one possible instant. */
    private void settle(Measured next) throws MalformedCsv {
        Measured ambiguous = null;
        double bound = next.seconds();
        for (Iterator<Measured> backwards = open.descendingIterator(); backwards.hasNext(); ) {
            Measured row = backwards.next();
            boolean isLaterPossible =
                    row.time().laterSeconds() < bound || (hasEqual && row.time().laterSeconds() == bound);
            ambiguous = isLaterPossible ? row : ambiguous;
            bound = isLaterPossible ? row.time().laterSeconds() : row.seconds();
        }
        if (ambiguous != null) {
            throw unsettled(ambiguous);
        }
        settled.addAll(open);
        settled.add(next);
        open.clear();
    }

    /** Requires at the end of the file that all rows and numbers are settled. */
    void end(CsvNumbers numbers) throws MalformedCsv {
        if (!open.isEmpty()) {
            throw unsettled(open.getFirst());
        }
        Optional<String> mark = numbers.unsettled(false);
        if (mark.isPresent()) {
            throw new MalformedCsv(mark.get());
        }
    }

    /** Returns the error for a time that occurs twice, and whose rows do not settle which one is meant. */
    MalformedCsv unsettled(Measured row) {
        return new MalformedCsv(rows.about(row, row.time().readings())
                + ", and the order of the rows does not tell which; write the offset after such times");
    }

    private MalformedCsv goesBack(Measured row, Measured before) throws IOException {
        boolean isTwice = row.time().isTwice() || before.time().isTwice();
        boolean mayBeTwice =
                row.time().lacksZone() && before.seconds() - row.time().seconds() <= LONGEST_STEP_BACK_SECONDS;
        Optional<String> sensors = rows.sensors(before, row);
        return new MalformedCsv(rows.about(
                row,
                "is earlier than the time of line " + before.line() + "; times must not go back"
                        + (isTwice
                                ? ", and " + CsvCells.shown((row.time().isTwice() ? row : before).written())
                                        + " "
                                        + (row.time().isTwice() ? row : before)
                                                .time()
                                                .readings()
                                        + "; write the offset after such times"
                                : sensors.isPresent()
                                        ? ": " + sensors.get()
                                        : mayBeTwice
                                                ? ": if daylight saving time ended here, give the --time-zone;"
                                                        + " otherwise sort the file"
                                                : ": sort the file, or use --sort")));
    }
}
