// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import dev.flk.agent.certify.CsvRows.MalformedCsv;
import dev.flk.agent.certify.CsvRows.Row;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/** A rule that divides a sequence of rows into windows. */
public sealed interface Windows {

    /**
     * Returns the rule for windows of {@code rows} rows each, numbered from {@code firstNumber}; the last window may
     * have fewer rows.
     */
    static Windows byCount(int rows, long firstNumber) {
        return new ByCount(rows, firstNumber);
    }

    /**
     * Returns the rule for windows by time: window {@code n} contains the rows with times in {@code [n·length,
     * (n+1)·length)} since 1970.
     */
    static Windows byTime(Duration length) {
        return new ByTime(length);
    }

    /**
     * Passes each window to {@code each}, in order, as soon as the window is complete. After the last row, passes the
     * last window even if it is incomplete. Windows without rows are skipped.
     */
    default void cut(CsvRows rows, Consumer<Window> each) throws IOException, MalformedCsv {
        Cutter cutter = cutter(each);
        for (Row row = rows.next(); row != null; row = rows.next()) {
            cutter.add(row, rows);
        }
        cutter.end(rows);
    }

    /** Returns a cutter that passes each window to {@code each}, in order, as soon as the window is complete. */
    Cutter cutter(Consumer<Window> each);

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

        void pass(long number, boolean hasTimes, boolean cut) {
            each.accept(new Window(number, open, hasTimes, cut));
            open.clear();
        }
    }

    /** The rule of {@link Windows#byCount}. */
    record ByCount(int rowsPerWindow, long firstNumber) implements Windows {
        /**
         * The maximum number of rows of a window. All rows of a window are in memory; each row takes about 60 bytes.
         */
        static final int MOST_ROWS = 10_000_000;

        public ByCount {
            if (rowsPerWindow < 1 || rowsPerWindow > MOST_ROWS) {
                throw new IllegalArgumentException("a window must have 1 to " + MOST_ROWS + " rows, not "
                        + rowsPerWindow + "; choose another --window");
            }
            if (firstNumber < 0) {
                throw new IllegalArgumentException("the first epoch must be at least 0, not " + firstNumber);
            }
        }

        @Override
        public Cutter cutter(Consumer<Window> each) {
            return new Cutter(each) {
                private long number = firstNumber;

                @Override
                void add(Row row, CsvRows from) {
                    open.add(row);
                    if (open.size() == rowsPerWindow) {
                        pass(number++, from.hasTimes(), false);
                    }
                }

                @Override
                void end(CsvRows from) {
                    if (!open.isEmpty()) {
                        pass(number, from.hasTimes(), true);
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
        public Cutter cutter(Consumer<Window> each) {
            return new Cutter(each) {
                private long number = -1;

                @Override
                void add(Row row, CsvRows from) throws MalformedCsv {
                    long of = numberOf(row, from);
                    if (of > number && !open.isEmpty()) {
                        pass(number, from.hasTimes(), false);
                    }
                    number = of;
                    open.add(row);
                }

                @Override
                void end(CsvRows from) {
                    if (!open.isEmpty()) {
                        // the last window is not marked as cut, because the data does not show whether rows of this
                        // window are missing. It is short only if it has too few rows to measure
                        pass(number, from.hasTimes(), false);
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
     * @param cut whether the data ended before the window had the requested number of rows; always false if the rows
     *     are divided by time
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

        /** Returns whether the window has fewer rows than requested, or too few rows to measure. */
        boolean isShort() {
            return cut || rows.size() < FEWEST_ROWS;
        }
    }
}
