// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.duckdb;

import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Array;
import java.sql.Connection;
import java.sql.Driver;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Outcomes as the table {@code outcomes} in a DuckDB of this process, for one thread. It uses files in one directory,
 * which the caller removes, and can neither load extensions nor use another file or the network.
 */
public final class OutcomeTable implements AutoCloseable {
    /** The number of outcomes that are written to a file before the table reads them. */
    private static final int LINES_AT_ONCE = 50_000;

    private static final String MEMORY = "512MB";
    private static final String THREADS = "2";

    /** The columns, from lines in the form of {@code /v1/outcomes?reviews=true}. */
    private static final String COLUMNS = """
            SELECT received_at::TIMESTAMPTZ AS received_at, shard_id, epoch, pcs_id, verdict, D_hat, recomputed_D_hat,
                budget, recomputed_budget, coh_star, r, regime, reason, policy, key_id, merkle_root,
                try_cast(window_start AS TIMESTAMPTZ) AS window_start, try_cast(window_end AS TIMESTAMPTZ) AS window_end,
                N_j, scales, coalesce(other_content, false) AS other_content,
                verdict <> 'accepted' AND coalesce(review.verdict, 'withdrawn') = 'withdrawn' AS waits,
                review.verdict AS review, review.note AS review_note, review.author AS reviewer,
                try_cast(review."at" AS TIMESTAMPTZ) AS reviewed_at
            FROM read_json('%s', format = 'newline_delimited', columns = {
                received_at: 'VARCHAR', shard_id: 'VARCHAR', epoch: 'BIGINT', pcs_id: 'VARCHAR', verdict: 'VARCHAR',
                D_hat: 'DOUBLE', recomputed_D_hat: 'DOUBLE', budget: 'DOUBLE', recomputed_budget: 'DOUBLE',
                coh_star: 'DOUBLE', r: 'DOUBLE', regime: 'VARCHAR', reason: 'VARCHAR', policy: 'VARCHAR',
                key_id: 'VARCHAR', merkle_root: 'VARCHAR', window_start: 'VARCHAR', window_end: 'VARCHAR',
                N_j: 'MAP(VARCHAR, BIGINT)', scales: 'INTEGER[]', other_content: 'BOOLEAN',
                review: 'STRUCT(verdict VARCHAR, note VARCHAR, author VARCHAR, "at" VARCHAR)'})""";

    private final Path lines;
    private final @Nullable Path parquet;
    private final Connection connection;
    private @Nullable BufferedWriter writer;
    private int written;

    /** SQL that DuckDB refuses, or can't execute; the message is DuckDB's. */
    public static final class InvalidSqlException extends Exception {
        private static final long serialVersionUID = 1;

        private InvalidSqlException(SQLException refusal) {
            super(text(refusal), refusal);
        }
    }

    private OutcomeTable(Path lines, @Nullable Path parquet, Connection connection) {
        this.lines = lines;
        this.parquet = parquet;
        this.connection = connection;
    }

    /**
     * Creates an empty table.
     *
     * @param directory an empty directory
     * @param parquet the file for {@link #writeParquet}; null for none
     */
    public static OutcomeTable create(Path directory, @Nullable Path parquet) throws IOException {
        Path lines = directory.resolve("outcomes.ndjson").toAbsolutePath();
        try {
            OutcomeTable table = new OutcomeTable(lines, parquet, connect(directory.toAbsolutePath()));
            Files.createFile(lines);
            table.run("SET TimeZone = 'UTC'");
            table.run("SET allowed_directories = [" + quoted(lines.getParent() + "/") + "]");
            table.run("SET allowed_paths = [" + (parquet == null ? "" : quoted(parquet.toString())) + "]");
            table.run("SET enable_external_access = false");
            table.run("SET lock_configuration = true");
            table.run("CREATE TABLE outcomes AS " + table.columns());
            return table;
        } catch (ReflectiveOperationException | LinkageError e) {
            throw new IOException(
                    "DuckDB can't be used here: " + e
                            + ". If " + directory.getParent() + " is mounted noexec, choose another directory for"
                            + " temporary files: JAVA_TOOL_OPTIONS=-Djava.io.tmpdir=DIR",
                    e);
        } catch (SQLException e) {
            throw failed(e);
        }
    }

    private static Connection connect(Path directory) throws IOException, ReflectiveOperationException, SQLException {
        Properties settings = new Properties();
        settings.setProperty("memory_limit", MEMORY);
        settings.setProperty("threads", THREADS);
        settings.setProperty("temp_directory", directory.resolve("spilled").toString());
        settings.setProperty("autoinstall_known_extensions", "false");
        settings.setProperty("autoload_known_extensions", "false");
        settings.setProperty("jdbc_stream_results", "true");
        Driver driver = (Driver) DuckLibrary.load(directory.resolve("native"))
                .loadClass("org.duckdb.DuckDBDriver")
                .getConstructor()
                .newInstance();
        return driver.connect("jdbc:duckdb:" + directory.resolve("outcomes.duckdb"), settings);
    }

    private static String quoted(String text) {
        return "'" + text.replace("'", "''") + "'";
    }

    private String columns() {
        return COLUMNS.formatted(lines.toString().replace("'", "''"));
    }

    private void run(String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    private static IOException failed(SQLException e) {
        return new IOException("DuckDB: " + text(e), e);
    }

    /** Returns DuckDB's message without the sentence that the driver puts before it. */
    private static String text(SQLException failure) {
        return String.valueOf(failure.getMessage()).replaceFirst("^Invalid Input Error: Attempting .*\nError: ", "");
    }

    /** Adds an outcome, a line as {@code /v1/outcomes?reviews=true} has it. */
    public void add(String line) throws IOException {
        if (writer == null) {
            writer = Files.newBufferedWriter(lines);
        }
        writer.write(line);
        writer.write('\n');
        if (++written == LINES_AT_ONCE) {
            load();
        }
    }

    private void load() throws IOException {
        if (writer != null) {
            writer.close();
            writer = null;
            written = 0;
            try {
                run("INSERT INTO outcomes " + columns());
            } catch (SQLException e) {
                throw failed(e);
            }
        }
    }

    /** Writes all outcomes to the file that was given to {@link #create}, in the order in which they were added. */
    public void writeParquet() throws IOException {
        load();
        try {
            run("COPY outcomes TO " + quoted(String.valueOf(parquet))
                    + " (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 50000, USE_TMP_FILE false)");
        } catch (SQLException e) {
            throw failed(e);
        }
    }

    /** Checks SQL before outcomes are added, without an effect. */
    public void check(String sql) throws InvalidSqlException {
        try {
            connection.setAutoCommit(false);
            connection.prepareStatement(sql).close();
            connection.rollback();
            connection.setAutoCommit(true);
        } catch (SQLException e) {
            throw new InvalidSqlException(e);
        }
    }

    /**
     * Executes SQL, and passes the rows of its last result, as maps of columns to values: numbers, booleans, text, null,
     * and lists and maps of these.
     *
     * @param rows a function that returns whether it wants another row
     */
    public void query(String sql, Predicate<Map<String, @Nullable Object>> rows)
            throws IOException, InvalidSqlException {
        load();
        try (Statement statement = connection.createStatement()) {
            if (!statement.execute(sql)) {
                return;
            }
            ResultSet result = statement.getResultSet();
            List<String> names = names(result.getMetaData());
            Map<String, @Nullable Object> row = new LinkedHashMap<>();
            do {
                if (!result.next()) {
                    return;
                }
                row.clear();
                for (String name : names) {
                    row.put(name, plain(result.getObject(row.size() + 1)));
                }
            } while (rows.test(row));
        } catch (SQLException e) {
            throw new InvalidSqlException(e);
        }
    }

    /** Returns the names of columns, of which one that occurs again gets a number. */
    private static List<String> names(ResultSetMetaData columns) throws SQLException {
        List<String> names = new ArrayList<>();
        for (int i = 1; i <= columns.getColumnCount(); i++) {
            String name = columns.getColumnLabel(i);
            names.add(names.contains(name) ? name + "_" + i : name);
        }
        return names;
    }

    private static @Nullable Object plain(@Nullable Object value) throws SQLException {
        if (value == null || value instanceof Number || value instanceof Boolean) {
            return value;
        }
        if (value instanceof Array array) {
            List<@Nullable Object> elements = new ArrayList<>();
            for (Object each : (Object[]) array.getArray()) {
                elements.add(plain(each));
            }
            return elements;
        }
        if (value instanceof Map<?, ?> map) {
            Map<String, @Nullable Object> entries = new LinkedHashMap<>();
            for (Map.Entry<?, ?> each : map.entrySet()) {
                entries.put(String.valueOf(each.getKey()), plain(each.getValue()));
            }
            return entries;
        }
        return value instanceof OffsetDateTime time ? time.toInstant().toString() : value.toString();
    }

    @Override
    public void close() throws IOException {
        try {
            if (writer != null) {
                writer.close();
            }
            connection.close();
        } catch (SQLException e) {
            throw failed(e);
        }
    }
}
