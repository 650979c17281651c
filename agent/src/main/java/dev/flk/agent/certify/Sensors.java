// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import dev.flk.agent.certify.RowOrder.Measured;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The search for a column that names the sensors of a file whose times do not increase. */
final class Sensors {
    private Sensors() {}

    /** Returns the option for a file with several sensors; empty if no column that is not read seems to name them. */
    static Optional<String> option(CsvColumns columns, List<Measured> some) {
        for (int column = 0; column < columns.header().size(); column++) {
            if (!columns.used().contains(column) && areNamedBy(column, some)) {
                String name = columns.header().get(column);
                String text = some.get(1).cells().getField(column).strip();
                return Optional.of("column " + columns.shown(column) + " seems to name several sensors; give"
                        + " --shard-column " + CsvCells.shown(name) + ", or certify one of them with --only "
                        + CsvCells.shown(name + "=" + text));
            }
        }
        return Optional.empty();
    }

    private static boolean areNamedBy(int column, List<Measured> some) {
        Map<String, Double> last = new HashMap<>();
        boolean isRepeated =
                some.stream().mapToDouble(Measured::seconds).distinct().count() == 1;
        for (Measured row : some) {
            String text = column < row.cells().getFieldCount()
                    ? row.cells().getField(column).strip()
                    : "";
            Double before = last.put(text, row.seconds());
            isRepeated |= before != null;
            if (text.isEmpty()
                    || NumberColumn.isNumber(text)
                    || last.size() > CsvRows.MOST_SHARDS
                    || (before != null && row.seconds() <= before)) {
                return false;
            }
        }
        return isRepeated;
    }
}
