// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import dev.flk.agent.csv.CsvRows;
import dev.flk.agent.csv.CsvRows.MalformedCsv;
import dev.flk.agent.csv.CsvRows.Row;
import dev.flk.program.cli.ErrorMessages;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/** A rule that divides a sequence of rows into windows. */
public sealed interface Windows {

    /**
     * Returns the rule for windows of {@code rows} rows each, numbered from {@code firstNumber}. At the end of a file,
     * fewer than half as many rows join the last window, and more are a window of their own.
     */
    static Windows byCount(int rows, long firstNumber) {
        if (rows < 1 || rows > ByCount.MOST_ROWS) {
            throw new IllegalArgumentException("a window must have 1 to " + ByCount.MOST_ROWS + " rows, not " + rows
                    + "; choose another --window");
        }
        return new ByCount(rows, firstNumber);
    }

    /** Returns the rule for windows whose number of rows follows the number of values of a row. */
    static Windows byValues(long firstNumber) {
        return new ByCount(ByCount.BY_VALUES, firstNumber);
    }

    /**
     * Returns the rule for windows by time: window {@code n} contains the rows with times in {@code [n·length,
     * (n+1)·length)} since 1970.
     */
    static Windows byTime(Duration length) {
        return new ByTime(length);
    }

    /**
     * Passes each window of a complete file to {@code each}; those of one shard in order. After the last row, passes
     * the last windows even if they are incomplete. Windows without rows are skipped.
     */
    default void cut(CsvRows rows, Consumer<Window> each) throws IOException, MalformedCsv {
        CompleteRows all = new CompleteRows(rows, this, each);
        while (all.read(Integer.MAX_VALUE)) {
            // more rows than an int can count
        }
    }

    /**
     * Returns a cutter of the rows of one shard, which passes each window to {@code each}, in order.
     *
     * @param isGrowing whether a window is passed as soon as it is complete; if not, it may wait for the rows that join
     *     it if no others follow
     */
    Cutter cutter(Consumer<Window> each, boolean isGrowing);

    /**
     * Returns which windows were chosen for rows with this number of values, and why; empty if an option chose them.
     */
    default Optional<String> choice(int values) {
        return Optional.empty();
    }

    /** Returns the rule for the windows after the first {@code windows} windows. */
    Windows after(long windows);

    /** Divides rows, which are added one after the other, into windows. Not safe for several threads. */
    abstract class Cutter {
        final Consumer<Window> each;
        final List<Row> open = new ArrayList<>();

        private Cutter(Consumer<Window> each) {
            this.each = each;
        }

        /**
         * Adds a row to the open window, and passes on the window that this completes.
         *
         * @param from the reader of the row
         */
        abstract void add(Row row, CsvRows from) throws MalformedCsv;

        /** Passes on the open window, even if it is incomplete, unless it has no rows. */
        abstract void end(CsvRows from);

        /** Returns the number of rows in the open window. */
        int openRows() {
            return open.size();
        }

        void pass(long number, int rows, boolean hasTimes, boolean cut) {
            List<Row> first = open.subList(0, rows);
            each.accept(new Window(number, first, hasTimes, cut));
            first.clear();
        }
    }

    /** The rule of {@link Windows#byCount}, and with {@link #BY_VALUES} of {@link Windows#byValues}. */
    record ByCount(int rowsPerWindow, long firstNumber) implements Windows {
        static final int BY_VALUES = 0;
        /**
         * The maximum number of rows of a window. All rows of a window are in memory; each row takes about 60 bytes.
         */
        static final int MOST_ROWS = 10_000_000;

        /**
         * The numbers of rows for one, two and three values: as many as D̂ needs to measure white noise.
         * docs/concepts.md has the figures.
         */
        private static final List<Integer> ROWS_BY_VALUES = List.of(300, 300, 1_500);

        public ByCount {
            if (firstNumber < 0) {
                throw new IllegalArgumentException("the first epoch must be at least 0, not " + firstNumber);
            }
        }

        private int rows(int values) {
            return rowsPerWindow == BY_VALUES ? ROWS_BY_VALUES.get(values - 1) : rowsPerWindow;
        }

        @Override
        public Optional<String> choice(int values) {
            return rowsPerWindow != BY_VALUES
                    ? Optional.empty()
                    : Optional.of("of " + rows(values) + " rows, which D̂ needs for "
                            + ErrorMessages.count(values, "column") + "; --window chooses others");
        }

        @Override
        public Cutter cutter(Consumer<Window> each, boolean isGrowing) {
            return new Cutter(each) {
                private long number = firstNumber;
                private int half;

                @Override
                void add(Row row, CsvRows from) {
                    open.add(row);
                    int rows = rows(row.values());
                    half = (rows + 1) / 2;
                    if (open.size() == rows + (isGrowing ? 0 : half)) {
                        pass(number++, rows, from.hasTimes(), false);
                    }
                }

                @Override
                void end(CsvRows from) {
                    if (!open.isEmpty()) {
                        pass(number, open.size(), from.hasTimes(), open.size() < half);
                    }
                }
            };
        }

        @Override
        public Windows after(long windows) {
            return new ByCount(rowsPerWindow, firstNumber + windows);
        }
    }

    /** The rule of {@link Windows#byTime}. */
    record ByTime(Duration length) implements Windows {
        public ByTime {
            if (length.compareTo(Duration.ofMillis(1)) < 0) {
                throw new IllegalArgumentException("a window must last at least 1ms; choose another --window-time");
            }
        }

        @Override
        public Cutter cutter(Consumer<Window> each, boolean isGrowing) {
            return new Cutter(each) {
                private long number = -1;

                @Override
                void add(Row row, CsvRows from) throws MalformedCsv {
                    long of = numberOf(row, from);
                    if (of > number && !open.isEmpty()) {
                        pass(number, open.size(), from.hasTimes(), false);
                    }
                    number = of;
                    open.add(row);
                }

                @Override
                void end(CsvRows from) {
                    if (!open.isEmpty()) {
                        // the last window is not marked as cut, because the data does not show whether rows of this
                        // window are missing. It is short only if it has too few rows to measure
                        pass(number, open.size(), from.hasTimes(), false);
                    }
                }
            };
        }

        @Override
        public Windows after(long windows) {
            return this;
        }

        private long numberOf(Row row, CsvRows rows) throws MalformedCsv {
            // in decimals, because 0.3 s is in window 3 of 100 ms, but as doubles 0.3 / 0.1 is less than 3
            BigDecimal number = BigDecimal.valueOf(row.timestampSeconds())
                    .movePointRight(3)
                    .divide(BigDecimal.valueOf(length.toMillis()), 0, RoundingMode.FLOOR);
            if (number.signum() < 0 || number.compareTo(BigDecimal.valueOf(Long.MAX_VALUE)) >= 0) {
                throw rows.malformed("timestamp " + row.timestampSeconds()
                        + " is before 1970 or too large; use --window to divide the rows by number instead of time");
            }
            return number.longValueExact();
        }
    }

    /**
     * The rows of one certificate.
     *
     * @param number the number of the window, which becomes the epoch of the certificate
     * @param hasTimes whether the rows have times; if not, row numbers replace the times
     * @param cut whether the data of the shard ended before half of the requested number of rows; always false if the
     *     rows are divided by time
     */
    record Window(long number, List<Row> rows, boolean hasTimes, boolean cut) {

        /** The minimum number of rows for a meaningful slope; fewer rows occupy too few boxes. */
        static final int FEWEST_ROWS = 16;

        public Window {
            if (number < 0) {
                throw new IllegalArgumentException("a window number must be at least 0, not " + number);
            }
            if (rows.isEmpty()) {
                throw new IllegalArgumentException("a window must have at least one row");
            }
            rows = List.copyOf(rows);
        }

        /** Returns the shard that a column names; empty without such a column. */
        String shard() {
            return rows.get(0).shard();
        }

        /** Returns whether the window has less than half of the requested rows, or too few rows to measure. */
        boolean isShort() {
            return cut || rows.size() < FEWEST_ROWS;
        }
    }
}
