// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.csv;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The numbers of the time column and of the value columns of a file. */
final class CsvNumbers {
    private final List<NumberColumn> columns = new ArrayList<>();
    private final List<String> names = new ArrayList<>();

    CsvNumbers(CsvFormat format, CsvColumns found, char delimiter) {
        columns.add(new NumberColumn(format, delimiter, true));
        names.add(found.timeName());
        for (int value : found.values()) {
            columns.add(new NumberColumn(format, delimiter, false));
            names.add(found.shown(value));
        }
    }

    NumberColumn ofTime() {
        return columns.get(0);
    }

    /** Returns the numbers of a value column, counted from 0. */
    NumberColumn ofValue(int index) {
        return columns.get(index + 1);
    }

    /** Returns the decimal separator that a value showed; empty if none did. */
    Optional<Character> shown(boolean isGrowing) {
        return columns.stream()
                .skip(1)
                .flatMap(column -> column.shown(isGrowing).stream())
                .findFirst();
    }

    /** Returns the cell whose mark may group thousands or not; empty if the cells so far settle this. */
    Optional<String> unsettled(boolean isGrowing) {
        for (int i = 0; i < columns.size(); i++) {
            if (columns.get(i).isUnsettled(isGrowing)) {
                return Optional.of(columns.get(i).unsettled(names.get(i)));
            }
        }
        return Optional.empty();
    }
}
