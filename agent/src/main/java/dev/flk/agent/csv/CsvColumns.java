// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.csv;

import dev.flk.agent.csv.CsvRows.Columns;
import dev.flk.agent.csv.CsvRows.MalformedCsv;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * The columns of a file that are read.
 *
 * @param header the names of all columns; numbers from 1 if the file has no names
 * @param times the indexes of the time column, or of a date column and a time column; empty if the file has no times
 * @param values the indexes of one to three value columns
 * @param shard the index of the column that names the shard of a row
 * @param used the indexes of all these columns
 * @param isTimeNamed whether the time column was chosen by its name, not by its number
 */
record CsvColumns(
        List<String> header,
        List<Integer> times,
        List<Integer> values,
        Optional<Integer> shard,
        List<Integer> used,
        boolean isTimeNamed) {
    static final int MOST_VALUES = 3;
    private static final int MOST_TIMES = 2;
    private static final String USUAL_TIME = "timestamp";
    private static final List<String> USUAL_VALUES = List.of("x", "y", "z");
    private static final String HOW = "choose others with --time COLUMN --value COLUMN[,COLUMN[,COLUMN]]";

    /** Finds the columns in the first record of a file. */
    static CsvColumns find(List<String> first, boolean hasHeader, Columns wanted, CsvCells cells) throws MalformedCsv {
        List<String> header = hasHeader
                ? first.stream().map(String::strip).toList()
                : IntStream.rangeClosed(1, first.size())
                        .mapToObj(Integer::toString)
                        .toList();
        return new Search(header, hasHeader, cells).find(wanted);
    }

    private record Search(List<String> header, boolean hasHeader, CsvCells cells) {

        CsvColumns find(Columns wanted) throws MalformedCsv {
            List<Integer> times = times(wanted);
            boolean isTimeNamed =
                    hasHeader && wanted.time().map(header::contains).orElse(true);
            Optional<Integer> shard = Optional.empty();
            if (wanted.shard().isPresent()) {
                shard = Optional.of(column(wanted.shard().get()));
            }
            List<Integer> values = values(wanted, times, shard);
            List<Integer> measured =
                    Stream.concat(times.stream(), values.stream()).toList();
            if (shard.filter(measured::contains).isPresent()) {
                throw new MalformedCsv("--shard-column: column " + CsvCells.shown(header.get(shard.get()))
                        + " has times or values; name another column");
            }
            return new CsvColumns(
                    header,
                    times,
                    values,
                    shard,
                    Stream.concat(measured.stream(), shard.stream()).toList(),
                    isTimeNamed);
        }

        private List<Integer> times(Columns wanted) throws MalformedCsv {
            if (wanted.time().isPresent() || header.contains(USUAL_TIME)) {
                List<Integer> times = columns(wanted.time().orElse(USUAL_TIME));
                if (times.size() > MOST_TIMES) {
                    throw new MalformedCsv(
                            "--time: a time has one column, or a date and a time column, not " + times.size());
                }
                return times;
            }
            if (header.size() == 1) {
                return List.of();
            }
            if (!hasHeader) {
                return List.of(0);
            }
            throw unknown(USUAL_TIME);
        }

        private List<Integer> values(Columns wanted, List<Integer> times, Optional<Integer> shard) throws MalformedCsv {
            List<Integer> chosen = new ArrayList<>();
            for (String names : wanted.values()) {
                chosen.addAll(columns(names));
            }
            if (chosen.isEmpty() && times.isEmpty()) {
                chosen.add(0);
            }
            if (chosen.isEmpty() && !hasHeader) {
                IntStream.range(0, header.size())
                        .filter(column -> !times.contains(column) && !shard.equals(Optional.of(column)))
                        .limit(MOST_VALUES)
                        .forEach(chosen::add);
            }
            if (chosen.isEmpty()) {
                for (String name : USUAL_VALUES) {
                    if (header.contains(name)) {
                        chosen.add(column(name));
                    }
                }
            }
            if (chosen.isEmpty()) {
                throw unknown(USUAL_VALUES.get(0));
            }
            if (chosen.size() > MOST_VALUES) {
                throw new MalformedCsv(
                        "--value: at most " + MOST_VALUES + " columns can be values, not " + chosen.size());
            }
            return List.copyOf(chosen);
        }

        /** Returns the columns in a list of names; a column whose name is the entire text takes precedence. */
        private List<Integer> columns(String names) throws MalformedCsv {
            List<Integer> columns = new ArrayList<>();
            for (String name : header.contains(names) ? List.of(names) : List.of(names.split(",", -1))) {
                columns.add(column(name.strip()));
            }
            return columns;
        }

        private int column(String name) throws MalformedCsv {
            int found = indexOf(header, name);
            if (found < 0) {
                throw unknown(name);
            }
            if (Collections.frequency(header, name) > 1) {
                throw cells.malformed("column " + CsvCells.shown(name) + " occurs twice; rename one of them");
            }
            return found;
        }

        private MalformedCsv unknown(String name) {
            String names = header.stream().map(CsvCells::shown).collect(Collectors.joining(", "));
            return cells.malformed("there is no column " + CsvCells.shown(name) + ", the columns are " + names + "; "
                    + HOW + (header.size() == 1 ? ", or give the --delimiter" : "")
                    + (header.get(0).startsWith("#") ? ", or skip comments with --comment '#'" : ""));
        }
    }

    /** Returns the index of a column that is given by its name or number; -1 if the column is missing. */
    static int indexOf(List<String> header, String name) {
        return header.contains(name) || !name.matches("[1-9]\\d{0,3}") || Integer.parseInt(name) > header.size()
                ? header.indexOf(name)
                : Integer.parseInt(name) - 1;
    }

    /** Returns the index of a column that is given by its name or number. */
    int named(String name, CsvCells cells) throws MalformedCsv {
        return new Search(header, true, cells).column(name);
    }

    /** Returns the index of the last column that is read. */
    int last() {
        return Collections.max(used);
    }

    /** Returns the name of a column, as shown to users. */
    String shown(int column) {
        return CsvCells.shown(header.get(column));
    }

    /** Returns the name of the time column or columns, as shown to users; empty if the file has no times. */
    String timeName() {
        return times.stream().map(this::shown).collect(Collectors.joining(" and "));
    }

    /** Returns the name of the time column or columns as in the file. */
    String plainTimeName() {
        return times.stream().map(header::get).collect(Collectors.joining(" "));
    }

    /** Returns the names of columns as in the file; of those whose names occur several times or have a comma, numbers. */
    static Stream<String> names(List<String> header, List<Integer> indexes) {
        return indexes.stream()
                .map(index -> Collections.frequency(header, header.get(index)) == 1
                                && header.get(index).indexOf(',') < 0
                        ? header.get(index)
                        : String.valueOf(index + 1));
    }

    /** Returns the names of the value columns, as shown to users. */
    List<String> valueNames() {
        return values.stream().map(this::shown).toList();
    }

    /** Returns the names of the columns that are not read, as shown to users. */
    List<String> ignoredNames() {
        return IntStream.range(0, header.size())
                .filter(column -> !used.contains(column))
                .mapToObj(this::shown)
                .toList();
    }
}
