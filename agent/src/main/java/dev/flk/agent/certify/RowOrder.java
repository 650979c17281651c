// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import de.siegmar.fastcsv.reader.CsvRecord;
import dev.flk.agent.certify.CsvRows.MalformedCsv;
import dev.flk.agent.certify.CsvRows.Row;
import dev.flk.agent.certify.CsvTimes.Time;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The order of rows by time. Times must increase. A local time that occurs twice, at the end of daylight saving time,
 * is settled by the rows around it: if an hour follows that would otherwise be earlier, the rows before it are in the
 * first pass and it is in the second. Rows wait until they are settled. A complete file whose rows are not settled is
 * refused. The files of a growing CSV form one sequence of rows, so the rows at the end of a file are settled by those
 * of the next. A growing CSV cannot be refused because of its clock. Rows that no row settles are therefore left out,
 * with a notice, and so are rows after a clock was set back, until the times increase again.
 */
final class RowOrder {
    /** The maximum number of rows that wait. */
    static final int MOST_WAITING = 1_000_000;

    private static final double LONGEST_STEP_BACK_SECONDS = 3_600;

    /** The receiver of notices about a growing CSV; empty for a complete file. */
    private final Optional<CsvNotices> following;

    private final Deque<Measured> settled = new ArrayDeque<>();
    /** The rows with a time that occurs twice, and that may still be in either pass. */
    private final Deque<Measured> open = new ArrayDeque<>();

    /** The time after which all times must be; negative infinity if all times are allowed. */
    private final double afterSeconds;
    /** The last row that was not left out as too early, at its earliest possible instant. */
    private @Nullable Measured last;

    /** Whether settled rows wait until the marks of their numbers are settled. */
    private boolean isHeld;

    private @Nullable Measured leftOutFirst;
    private long leftOutLastLine;
    private long leftOutRows;

    RowOrder(Optional<CsvNotices> following, double afterSeconds) {
        this.following = following;
        this.afterSeconds = afterSeconds;
    }

    /**
     * A row of a file.
     *
     * @param source the reader of the file
     * @param written the cell of the time, or both cells; empty if the file has no times
     * @param seconds the earliest of the instants of {@code time} that the rows before allow
     */
    record Measured(
            CsvRows source,
            long line,
            CsvRecord cells,
            String written,
            Time time,
            double seconds,
            List<Double> values) {
        private Measured at(double instant) {
            return new Measured(source, line, cells, written, time, instant, values);
        }

        Row row() {
            return new Row(
                    seconds,
                    values.size(),
                    values.get(0),
                    values.size() > 1 ? values.get(1) : 0,
                    values.size() > 2 ? values.get(2) : 0);
        }
    }

    Optional<CsvNotices> following() {
        return following;
    }

    /** Returns the earliest possible instant of the last row, even if that row still waits. */
    double lastSeconds() {
        return last == null ? afterSeconds : last.seconds();
    }

    boolean isWaiting() {
        return !open.isEmpty() || !settled.isEmpty();
    }

    /** Adds the next row. */
    void add(Measured row) throws MalformedCsv {
        if (!row.source().hasTimes()) {
            settled.add(row);
            requireRoom(row);
            return;
        }
        double before = lastSeconds();
        Time time = row.time();
        boolean isFirstPossible = time.seconds() > before;
        if (!isFirstPossible && time.laterSeconds() <= before) {
            leaveOut(row, last);
            return;
        }
        reportLeftOut();
        Measured added = row.at(isFirstPossible ? time.seconds() : time.laterSeconds());
        last = added;
        if (isFirstPossible && time.isTwice()) {
            if (open.isEmpty()) {
                following.ifPresent(notices -> notices.waiting(
                        sentence(added, time.readings()) + "; the row waits for later rows that settle which"));
            }
            open.add(added);
            requireRoom(added);
            return;
        }
        settle(added);
    }

    /** Settles the open rows by a row that has one possible instant. */
    private void settle(Measured next) throws MalformedCsv {
        List<Measured> kept = new ArrayList<>(); // both lists begin with the last row
        List<Measured> ambiguous = new ArrayList<>();
        double bound = next.seconds();
        for (Iterator<Measured> backwards = open.descendingIterator(); backwards.hasNext(); ) {
            Measured row = backwards.next();
            boolean isLaterPossible = row.time().laterSeconds() < bound;
            (isLaterPossible ? ambiguous : kept).add(row);
            bound = isLaterPossible ? row.time().laterSeconds() : row.seconds();
        }
        if (!ambiguous.isEmpty()) {
            Measured first = ambiguous.get(ambiguous.size() - 1);
            CsvNotices notices = following.orElseThrow(() -> unsettled(first));
            notices.leftOut(sentence(first, next, first.time().readings()) + ", and the rows do not settle which: "
                    + lines(first, ambiguous.get(0), next, ambiguous.size()));
        }
        Collections.reverse(kept);
        settled.addAll(kept);
        settled.add(next);
        open.clear();
        requireRoom(next);
    }

    private void leaveOut(Measured row, @Nullable Measured after) throws MalformedCsv {
        if (following.isEmpty()) {
            throw notIncreasing(row, after);
        }
        if (leftOutFirst == null) {
            leftOutFirst = row;
            following
                    .get()
                    .waiting(sentence(
                                    row,
                                    after == null || after.source() != row.source()
                                            ? "is not after the time of the last row of the file before"
                                            : "is not after the time of line " + after.line() + ", "
                                                    + CsvCells.shown(after.written()))
                            + "; was the clock set back? Rows are not certified until a later time follows");
        }
        leftOutRows++;
        leftOutLastLine = row.line();
    }

    /** Reports the last rows of a growing CSV if they were left out as too early. */
    void reportLeftOut() {
        Measured first = leftOutFirst;
        if (first != null) {
            following.ifPresent(notices -> notices.leftOut(sentence(first, "is not after the time of the line before")
                    + ": lines " + first.line() + " to " + leftOutLastLine + ", " + leftOutRows
                    + " of them, are not certified"));
            leftOutFirst = null;
            leftOutRows = 0;
        }
    }

    private void requireRoom(Measured newest) throws MalformedCsv {
        if (open.size() <= MOST_WAITING && (!isHeld || settled.size() <= MOST_WAITING)) {
            return;
        }
        if (following.isEmpty()) {
            throw new MalformedCsv(
                    "more than " + MOST_WAITING + " rows wait for a row that settles what they mean; give"
                            + " it by an option, or write the offset after times that occur twice");
        }
        leave(newest.source().numbers(), "more than " + MOST_WAITING + " rows wait for a row that settles it");
    }

    /** Leaves out the rows that wait, because no row of the next file can settle them. */
    void leave(CsvNumbers numbers) {
        leave(numbers, "the file ended before a row settled it");
    }

    private void leave(CsvNumbers numbers, String why) {
        Optional<String> mark = numbers.unsettled();
        List<Measured> waiting = new ArrayList<>(settled);
        waiting.addAll(open);
        if (!waiting.isEmpty()) {
            Measured first = waiting.get(0);
            Measured end = waiting.get(waiting.size() - 1);
            following
                    .orElseThrow()
                    .leftOut(mark.orElseGet(
                                    () -> sentence(first, end, first.time().readings()))
                            + ", and " + why + ": "
                            + lines(first, end, end, waiting.size()));
            settled.clear();
            open.clear();
        }
    }

    /** Requires at the end of a complete file that all rows and numbers are settled. */
    void end(CsvNumbers numbers) throws MalformedCsv {
        if (following.isPresent()) {
            return;
        }
        if (!open.isEmpty()) {
            throw unsettled(open.getFirst());
        }
        Optional<String> mark = numbers.unsettled();
        if (mark.isPresent()) {
            throw new MalformedCsv(mark.get());
        }
    }

    /** Returns the next settled row; null if no row is settled yet, or if a growing CSV has numbers that are not. */
    @Nullable
    Measured poll(CsvNumbers numbers) {
        Optional<String> mark = following.isPresent() ? numbers.unsettled() : Optional.empty();
        if (mark.isPresent() && !isHeld) {
            following.get().waiting(mark.get() + "; the rows wait until a later row shows it");
        }
        isHeld = mark.isPresent();
        return isHeld ? null : settled.poll();
    }

    private static String sentence(Measured row, String what) {
        return sentence(row, row, what);
    }

    private static String sentence(Measured row, Measured now, String what) {
        return "line " + line(row, now) + ": column " + row.source().timeName().orElse("") + ": "
                + CsvCells.shown(row.written()) + " " + what;
    }

    private static String lines(Measured first, Measured last, Measured now, int count) {
        return "lines " + line(first, now) + " to " + line(last, now) + ", " + count + " of them, are not certified";
    }

    /** Returns the number of the line of a row, for a message about the file of the row {@code now}. */
    private static String line(Measured row, Measured now) {
        return row.line() + (row.source() == now.source() ? "" : " of an earlier file");
    }

    /** Returns the error for a time that occurs twice, and whose rows do not settle which one is meant. */
    MalformedCsv unsettled(Measured row) {
        return new MalformedCsv(sentence(row, row.time().readings())
                + ", and the order of the rows does not tell which; write the offset after such times");
    }

    private MalformedCsv notIncreasing(Measured row, @Nullable Measured after) {
        Measured before = after == null ? row : after;
        boolean isRepeated = row.time().seconds() == before.seconds();
        boolean isTwice = row.time().isTwice() || before.time().isTwice();
        boolean mayBeTwice = row.time().lacksZone()
                && before.seconds() - row.time().seconds() <= LONGEST_STEP_BACK_SECONDS
                && !isRepeated;
        return new MalformedCsv(sentence(
                row,
                (isRepeated ? "repeats" : "is earlier than") + " the time of line " + before.line()
                        + "; times must increase"
                        + (isTwice
                                ? ", and " + CsvCells.shown((row.time().isTwice() ? row : before).written()) + " "
                                        + (row.time().isTwice() ? row : before)
                                                .time()
                                                .readings()
                                        + "; write the offset after such times"
                                : mayBeTwice
                                        ? ": if daylight saving time ended here, give the --time-zone; otherwise sort"
                                                + " the file"
                                        : ": "
                                                + (isRepeated ? row.source().only(before.cells(), row.cells()) : "")
                                                + "sort the file, or use --sort")));
    }
}
