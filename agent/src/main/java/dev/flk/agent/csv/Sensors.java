// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.csv;

import dev.flk.agent.csv.RowOrder.Measured;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The search for a column that names the sensors of a file whose times do not increase. */
final class Sensors {
    private Sensors() {}

    /** Returns the option for a file with several sensors; empty if no column that is not read seems to name them. */
    static Optional<String> option(CsvColumns columns, List<Measured> some) {
        double[] times = some.stream().mapToDouble(Measured::seconds).toArray();
        for (int column = 0; column < columns.header().size(); column++) {
            int index = column;
            List<String> texts = some.stream()
                    .map(row -> index < row.cells().getFieldCount()
                            ? row.cells().getField(index).strip()
                            : "")
                    .toList();
            if (!columns.used().contains(column)
                    && texts.stream().noneMatch(NumberColumn::isNumber)
                    && areNames(texts, times)) {
                String name = columns.header().get(column);
                return Optional.of("column " + columns.shown(column) + " seems to name several sensors; give"
                        + " --shard-column " + CsvCells.shown(name) + ", or certify one of them with --only "
                        + CsvCells.shown(name + "=" + texts.get(1)));
            }
        }
        return Optional.empty();
    }

    /** Returns whether the rows of each text have times that increase, and texts repeat unless all times are equal. */
    static boolean areNames(List<String> texts, double[] times) {
        Map<String, Double> last = new HashMap<>();
        boolean isRepeated = Arrays.stream(times).distinct().count() == 1;
        for (int i = 0; i < times.length; i++) {
            Double before = last.put(texts.get(i), times[i]);
            isRepeated |= before != null;
            if (texts.get(i).isEmpty()
                    || last.size() > CsvRows.MOST_SHARDS
                    || (before != null && !(times[i] > before))) {
                return false;
            }
        }
        return isRepeated;
    }
}
