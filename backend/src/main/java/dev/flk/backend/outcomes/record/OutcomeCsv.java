// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import de.siegmar.fastcsv.writer.CsvWriter;
import de.siegmar.fastcsv.writer.LineDelimiter;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.program.cli.SpreadsheetCell;
import dev.flk.program.json.Json;
import java.io.Writer;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Writes outcomes as CSV, one line each. The columns and their order do not change; later versions may add columns at
 * the end. A member that an outcome lacks is an empty cell. Cells are {@linkplain SpreadsheetCell inert}. For one thread.
 */
public final class OutcomeCsv {
    private static final List<String> COLUMNS = List.of(
            "received_at",
            "shard_id",
            "epoch",
            "pcs_id",
            "verdict",
            "D_hat",
            "recomputed_D_hat",
            "budget",
            "recomputed_budget",
            "coh_star",
            "r",
            "regime",
            "reason",
            "policy",
            "key_id",
            "merkle_root",
            "window_start",
            "window_end");

    private static final Set<String> TIMES = Set.of("received_at", "window_start", "window_end");
    private static final Pattern WITHOUT_FRACTION = Pattern.compile("[^.]+:[0-9]{2}Z");

    private final CsvWriter csv;

    /** Writes the names of the columns. Nothing is buffered here. */
    public OutcomeCsv(Writer out, LineDelimiter lineEnd) {
        csv = CsvWriter.builder().lineDelimiter(lineEnd).bufferSize(0).build(out);
        csv.writeRecord(COLUMNS);
    }

    /** Writes the version of an outcome. */
    public void write(Version version) {
        String line = RecordedOutcomes.line(version);
        try {
            write(Json.parse(line));
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("not JSON: " + line, e);
        }
    }

    /** Writes an outcome as {@link RecordedOutcomes#line} prints it. */
    public void write(JsonNode outcome) {
        csv.writeRecord(COLUMNS.stream()
                .map(column ->
                        SpreadsheetCell.of(cell(column, outcome.path(column).asText())))
                .toList());
    }

    /** Returns a cell. Times have a fraction of a second, as readers of CSV expect one format in a column. */
    private static String cell(String column, String text) {
        return TIMES.contains(column) && WITHOUT_FRACTION.matcher(text).matches() ? text.replace("Z", ".000Z") : text;
    }
}
