// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.csv;

import de.siegmar.fastcsv.reader.CsvRecord;
import dev.flk.agent.csv.CsvRows.MalformedCsv;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;
import java.util.regex.Pattern;

/**
 * The rows that are no measurements: those without the texts that {@code --only} requires, and those with an empty
 * cell. A number in {@code --missing}, with the decimal separator of a column or a point, is equal to each cell of the
 * column with the same number: {@code 999.9} to {@code 999.90} and {@code 999,9}. {@code --only} compares texts, because
 * {@code 7} and {@code 007} may be two devices.
 */
final class RowFilter {
    /** Two texts separated by a comma, or a number with a decimal comma. */
    private static final Pattern MAYBE_DECIMAL_COMMA = Pattern.compile(".*\\d,\\d.*");

    /** A text that the cells of a column must have. */
    private record Required(int column, String text) {
        boolean isIn(CsvRecord record) {
            return column < record.getFieldCount()
                    && record.getField(column).strip().equals(text);
        }
    }

    /** A text that means an empty cell, and the number that it means in the notation of the column. */
    private record Missing(int column, NumberColumn numbers, String text, OptionalDouble number) {
        static Missing of(int column, NumberColumn numbers, String text) {
            OptionalDouble inNotation = numbers.value(text);
            return new Missing(
                    column,
                    numbers,
                    text,
                    inNotation.isEmpty() && NumberColumn.isNumber(text) && text.indexOf(',') < 0
                            ? OptionalDouble.of(Double.parseDouble(text))
                            : inNotation);
        }

        boolean isIn(CsvRecord record) {
            String cell = record.getField(column).strip();
            OptionalDouble value = number.isPresent() ? numbers.value(cell) : OptionalDouble.empty();
            return cell.equals(text)
                    || (value.isPresent() && value.getAsDouble() == number.getAsDouble()); // also 0 and -0
        }
    }

    private final CsvColumns columns;
    private final List<Missing> missing = new ArrayList<>();
    private final List<Required> only = new ArrayList<>();

    RowFilter(CsvFormat format, CsvColumns columns, CsvNumbers numbers, CsvCells cells) throws MalformedCsv {
        this.columns = columns;
        for (int i = 0; i < columns.values().size(); i++) {
            requireSeparateTexts(format, numbers.ofValue(i));
        }
        for (String text : format.missingTexts()) {
            for (int time : columns.times()) {
                missing.add(Missing.of(time, numbers.ofTime(), text));
            }
            for (int i = 0; i < columns.values().size(); i++) {
                missing.add(Missing.of(columns.values().get(i), numbers.ofValue(i), text));
            }
        }
        for (String each : format.filter().only()) {
            int equals = each.indexOf('=');
            for (int i = equals; i >= 0; i = each.indexOf('=', i + 1)) {
                equals = columns.header().contains(each.substring(0, i).strip()) ? i : equals; // in a name, perhaps
            }
            only.add(new Required(
                    columns.named(each.substring(0, equals).strip(), cells),
                    each.substring(equals + 1).strip()));
        }
    }

    private static void requireSeparateTexts(CsvFormat format, NumberColumn numbers) throws MalformedCsv {
        for (String text : format.missing()) {
            if (numbers.mayHaveComma() && MAYBE_DECIMAL_COMMA.matcher(text).matches()) {
                throw new MalformedCsv("--missing " + text + ": the comma may separate two texts or be the decimal"
                        + " separator; write the number with a point, or give each text by a --missing of its own");
            }
        }
    }

    /** Returns whether a row lacks a text that is required, so that its other cells may have any content. */
    boolean leavesOut(CsvRecord record) {
        return !only.stream().allMatch(each -> each.isIn(record));
    }

    /** Returns whether a cell that is read is empty, or has a text that means an empty cell. */
    boolean hasEmpty(CsvRecord record) {
        return columns.used().stream()
                        .anyMatch(column -> record.getField(column).isBlank())
                || missing.stream().anyMatch(each -> each.isIn(record));
    }

    /** Returns whether a cell has a text that means an empty cell. */
    boolean isMissing(CsvRecord record, int column) {
        return missing.stream().anyMatch(each -> each.column() == column && each.isIn(record));
    }
}
