// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli.remote;

import dev.flk.backend.outcomes.duckdb.OutcomeTable;
import dev.flk.backend.outcomes.duckdb.OutcomeTable.InvalidSqlException;
import dev.flk.program.cli.Paragraph;
import dev.flk.program.cli.Printable;
import dev.flk.program.cli.Table;
import dev.flk.program.json.Json;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** The command {@code record sql}, which answers a question about outcomes with an SQL query. */
@Command(
        name = "sql",
        description = {
            "Answers a question about outcomes with SQL of DuckDB, in this process.",
            "",
            "The options of record select the outcomes to download; without any, it",
            "downloads all, into a temporary file. They are the table outcomes, with the",
            "columns that 'DESCRIBE outcomes' prints. Nothing else can be read or written.",
            ""
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {
            "0:done",
            "1:the backend can't be reached or keeps no record, or DuckDB can't be used here",
            "2:wrong usage or configuration, or DuckDB refuses the SQL"
        })
final class RecordSqlCommand implements Callable<Integer> {
    private static final int MOST_ROWS = 1_000;
    private static final int COLUMNS = 80;
    private static final int LONGEST_CELL = 38;
    private static final int GAP = 2;

    private final RecordCommand record;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    @Parameters(
            paramLabel = "SQL",
            description = "The query, such as 'SELECT verdict, count(*) FROM outcomes GROUP BY 1'.")
    private String sql = "";

    /** @param record the command with the options that select outcomes */
    RecordSqlCommand(RecordCommand record) {
        this.record = record;
    }

    @Override
    public Integer call() throws IOException {
        try (RemovedAtEnd directory = RemovedAtEnd.directory();
                OutcomeTable table = OutcomeTable.create(directory.path(), null)) {
            table.check(sql);
            record.download(table::add);
            PrintWriter out = spec.commandLine().getOut();
            if (record.isJson()) {
                table.query(sql, row -> {
                    out.print(Printable.json(Json.line(row)));
                    return !out.checkError();
                });
            } else {
                List<Map<String, @Nullable Object>> rows = new ArrayList<>();
                table.query(sql, row -> rows.add(new LinkedHashMap<>(row)) && rows.size() <= MOST_ROWS);
                print(rows.subList(0, Math.min(rows.size(), MOST_ROWS)), out);
                if (rows.size() > MOST_ROWS) {
                    out.print("These are the first 1,000 rows; --json prints all." + System.lineSeparator());
                }
            }
            return ExitCode.OK;
        } catch (InvalidSqlException e) {
            throw new ParameterException(spec.commandLine(), String.valueOf(e.getMessage()), e);
        }
    }

    /** Prints a table, or a block of lines for each row if a table would be too wide for a terminal. */
    private static void print(List<Map<String, @Nullable Object>> rows, PrintWriter out) {
        if (rows.isEmpty()) {
            out.print("no rows" + System.lineSeparator());
            return;
        }
        Table<Map<String, @Nullable Object>> table = new Table<>();
        int width = -GAP;
        boolean fits = true;
        for (String name : rows.get(0).keySet()) {
            int longest =
                    rows.stream().mapToInt(row -> text(row.get(name)).length()).reduce(name.length(), Math::max);
            fits &= longest <= LONGEST_CELL;
            width += longest + GAP;
            if (rows.stream().allMatch(row -> row.get(name) == null || row.get(name) instanceof Number)) {
                table.right(name, row -> text(row.get(name)));
            } else {
                table.left(name, row -> text(row.get(name)));
            }
        }
        if (fits && width <= COLUMNS) {
            out.print(table.of(rows));
            return;
        }
        int label = GAP
                + rows.get(0).keySet().stream().mapToInt(String::length).max().orElse(0);
        for (Map<String, @Nullable Object> row : rows) {
            row.forEach((name, value) ->
                    out.print(Paragraph.wrapped(Math.min(label, LONGEST_CELL), name + "\t" + text(value))));
            out.println();
        }
    }

    private static String text(@Nullable Object value) {
        return value == null ? "-" : Printable.of(value.toString()).replace('\t', ' ');
    }
}
