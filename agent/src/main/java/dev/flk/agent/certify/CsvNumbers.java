// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The numbers of the time column and of the value columns of a file. */
final class CsvNumbers {
    private final char delimiter;
    private final List<NumberColumn> columns = new ArrayList<>();
    private final List<String> names = new ArrayList<>();

    CsvNumbers(CsvFormat format, CsvColumns found, char delimiter) {
        this.delimiter = delimiter;
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

    /** Returns whether this file is written like another one, so that a cell of one shows how to read both. */
    boolean isLike(CsvNumbers other) {
        return delimiter == other.delimiter && columns.size() == other.columns.size();
    }

    /** Returns the cell whose mark may group thousands or not; empty if the cells so far settle this. */
    Optional<String> unsettled() {
        for (int i = 0; i < columns.size(); i++) {
            if (columns.get(i).isUnsettled()) {
                return Optional.of(columns.get(i).unsettled(names.get(i)));
            }
        }
        return Optional.empty();
    }
}
