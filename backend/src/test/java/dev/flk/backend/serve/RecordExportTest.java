// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.decide.Review;
import dev.flk.backend.outcomes.record.ChangedShards;
import dev.flk.backend.outcomes.record.MemoryRecord;
import dev.flk.backend.outcomes.record.OutcomeRows;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import dev.flk.backend.outcomes.record.OutcomeRows.Rows;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.backend.outcomes.review.Reviews;
import dev.flk.backend.outcomes.review.Reviews.Subject;
import dev.flk.program.metrics.Metrics;
import java.io.IOException;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicInteger;
import org.duckdb.DuckDBDriver;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests of the commands {@code record export} and {@code record sql}, which ask a real server. */
@Timeout(120)
final class RecordExportTest {
    private static final Instant NOW = ServerFixture.NOW;
    private static final String COLUMNS = "received_at TIMESTAMP WITH TIME ZONE, shard_id VARCHAR, epoch BIGINT,"
            + " pcs_id VARCHAR, verdict VARCHAR, D_hat DOUBLE, recomputed_D_hat DOUBLE, budget DOUBLE,"
            + " recomputed_budget DOUBLE, coh_star DOUBLE, r DOUBLE, regime VARCHAR, reason VARCHAR, policy VARCHAR,"
            + " key_id VARCHAR, merkle_root VARCHAR, window_start TIMESTAMP WITH TIME ZONE,"
            + " window_end TIMESTAMP WITH TIME ZONE, N_j MAP(VARCHAR, BIGINT), scales INTEGER[],"
            + " other_content BOOLEAN, waits BOOLEAN, review VARCHAR, review_note VARCHAR, reviewer VARCHAR,"
            + " reviewed_at TIMESTAMP WITH TIME ZONE";

    @RegisterExtension
    private final ServerFixture server = new ServerFixture();

    private final MemoryRecord record = new MemoryRecord();

    @TempDir
    private Path directory;

    @BeforeEach
    void start() {
        server.record = record.outcomes();
    }

    @AfterEach
    void close() {
        record.close();
    }

    private String add(String shard, int epoch, String verdict, String reason) {
        return record.add(shard, epoch, verdict, reason, NOW.plusSeconds(epoch));
    }

    private void review(String id, Review.Verdict verdict) {
        Reviews reviews = record.reviews(new Metrics("reviews"), NOW);
        reviews.review(new Subject.Ids(List.of(id), -1), new Review(0, verdict, "pump 7\n", "anna", NOW.toString()));
    }

    private String printed(int exitCode, String... args) throws IOException {
        return server.run(Map.of(), exitCode, args);
    }

    private static List<String> query(String sql) throws SQLException {
        try (Connection connection = new DuckDBDriver().connect("jdbc:duckdb:", new Properties());
                Statement statement = connection.createStatement();
                ResultSet result = statement.executeQuery(sql)) {
            List<String> lines = new ArrayList<>();
            while (result.next()) {
                lines.add(result.getString(1));
            }
            return lines;
        }
    }

    private static String columns(Path parquet) throws SQLException {
        return String.join(
                ", ",
                query("SELECT column_name || ' ' || column_type FROM (DESCRIBE SELECT * FROM '" + parquet + "')"));
    }

    @Test
    void parquet_hasTypedColumns_andTheNewestReview() throws Exception {
        Path file = directory.resolve("some 'new' outcomes.parquet");
        Map<String, Object> members = Map.of(
                "window_start",
                "2026-01-01T00:00:00Z",
                "window_end",
                "+1000000000-12-31T23:59:59.999999999Z",
                "N_j",
                Map.of("2", 7),
                "scales",
                List.of(2, 4));
        String first = record.add("a 'b'\u0000\u202e", 1, "escalated", "degraded: 1", NOW, members);
        String second = add("c", 2, "rejected", "r out of bounds: 1");
        add("c", 3, "accepted", "");
        review(first, Review.Verdict.FAULT);
        review(second, Review.Verdict.EXPECTED);
        review(second, Review.Verdict.WITHDRAWN);

        assertThat(printed(0, "record", "export", "--parquet", file.toString())).startsWith(file + ": 3 outcomes, ");

        String quoted = file.toString().replace("'", "''");
        assertThat(columns(Path.of(quoted))).isEqualTo(COLUMNS);
        assertThat(query("SELECT to_json(o) FROM (SELECT epoch_ms(received_at), shard_id, epoch, pcs_id, N_j, scales,"
                        + " window_start = '2026-01-01 00:00:00Z', window_end, waits, review, review_note, reviewer,"
                        + " epoch_ms(reviewed_at) FROM '" + quoted + "') o"))
                .satisfiesExactly(
                        line -> assertThat(line)
                                .contains(
                                        ":" + NOW.toEpochMilli() + ",\"shard_id\":\"a 'b'\\u0000\u202e\",\"epoch\":1,",
                                        "\"pcs_id\":\"" + first + "\",\"N_j\":{\"2\":7},\"scales\":[2,4],",
                                        ":true,\"window_end\":null,\"waits\":false,\"review\":\"fault\","
                                                + "\"review_note\":\"pump 7\\n\",\"reviewer\":\"anna\","),
                        line -> assertThat(line).contains("\"waits\":true,\"review\":\"withdrawn\""),
                        line -> assertThat(line).contains("\"waits\":false,\"review\":null"));
        assertThat(printed(1, "record", "export", "--parquet", file.toString()))
                .contains(file + " exists already and was left unchanged");
    }

    @Test
    void ndjson_hasTheSelectedLines_withReviews() throws Exception {
        String id = add("a", 1, "escalated", "degraded: 1");
        review(id, Review.Verdict.UNCLEAR);
        add("a", 2, "accepted", "");
        Path file = directory.resolve("outcomes.ndjson");

        assertThat(printed(
                        0,
                        "record",
                        "export",
                        "--shard",
                        "a",
                        "--verdict",
                        "escalated",
                        "--json",
                        "--ndjson",
                        "" + file))
                .contains("\"outcomes\":1,");

        assertThat(file)
                .hasContent(server.send("GET", "/v1/outcomes?id=" + id + "&reviews=true", "")
                        .body());
        assertThat(file)
                .content()
                .contains(",\"key_id\":\"key-1\",\"review\":{\"version\":1,\"verdict\":\"unclear\",\"note\":");
        assertThat(server.send("GET", "/v1/outcomes?reviews=true", "", "Accept", "text/csv")
                        .statusCode())
                .isEqualTo(400);
    }

    @Test
    void nothingSelected_isAFileWithAllColumns() throws Exception {
        Path file = directory.resolve("outcomes.parquet");

        printed(0, "record", "export", "--verdict", "rejected", "--parquet", file.toString());

        assertThat(columns(file)).isEqualTo(COLUMNS);
        assertThat(query("SELECT count(*) FROM '" + file + "'")).containsExactly("0");
        assertThat(printed(0, "record", "sql", "SELECT pcs_id FROM outcomes")).isEqualTo("no rows\n");
    }

    @ParameterizedTest
    @CsvSource({"--parquet", "--ndjson"})
    void failureInTheMiddle_leavesNoFile(String format) throws Exception {
        add("a", 1, "accepted", "");
        AtomicInteger parts = new AtomicInteger();
        OutcomeRows failing = (OutcomeRows) Proxy.newProxyInstance(
                OutcomeRows.class.getClassLoader(), new Class<?>[] {OutcomeRows.class}, (proxy, method, arguments) -> {
                    if (method.getName().equals("find") && parts.getAndIncrement() == 1) {
                        throw new RecordUnavailableException("the disk is full", null);
                    }
                    Object found = method.invoke(record.rows(), arguments);
                    return found instanceof Rows rows ? new Rows(rows.rows(), "more", null) : found;
                });
        server.record = new RecordedOutcomes(
                failing, true, Optional::empty, () -> false, new ChangedShards(record.rows(), () -> NOW));

        assertThat(printed(
                        1, "record", "export", format, directory.resolve("file").toString()))
                .contains("no file was written, after 1 outcome: the server answered 503: the record can't be read now:"
                        + " the disk is full");

        assertThat(directory).isEmptyDirectory();
    }

    @Test
    void sql_printsWhatFitsATerminal_orJson() throws Exception {
        String id = add("a", 1, "escalated", "degraded: " + "1".repeat(100));
        add("a", 2, "accepted", "");

        assertThat(printed(
                        0,
                        "record",
                        "sql",
                        "SELECT verdict, count(*) AS n, max(received_at) AS newest FROM outcomes"
                                + " GROUP BY ALL ORDER BY ALL"))
                .isEqualTo("verdict    n  newest\n"
                        + "accepted   1  " + NOW.plusSeconds(2) + "\n"
                        + "escalated  1  " + NOW.plusSeconds(1) + "\n");
        assertThat(printed(0, "record", "sql", "--verdict", "escalated", "FROM outcomes")
                        .lines())
                .contains("pcs_id             " + id.substring(0, 61), "review             -")
                .allMatch(line -> line.length() <= 80);
        assertThat(printed(
                        0,
                        "record",
                        "sql",
                        "--json",
                        "SELECT epoch, epoch, [waits] AS list, r, NULL AS no FROM outcomes"))
                .isEqualTo("""
                        {"epoch":1,"epoch_2":1,"list":[true],"r":0.8,"no":null}
                        {"epoch":2,"epoch_2":2,"list":[false],"r":0.8,"no":null}
                        """);
        assertThat(printed(0, "record", "sql", "FROM range(1001)").lines())
                .hasSize(1_002)
                .last()
                .asString()
                .startsWith("These are the first 1,000 rows");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "SELECT nothing FROM outcomes                  | Referenced column \"nothing\" not found",
                "SELECT * FROM read_text('/etc/hostname')      | Cannot access file \"/etc/hostname\"",
                "SELECT * FROM 'https://127.0.0.1:1/x.parquet' | Cannot access file \"https:",
                "ATTACH '/tmp/other.duckdb'                    | Cannot access file \"/tmp/other.duckdb\"",
                "COPY outcomes TO '/tmp/outcomes.csv'          | Cannot access file \"/tmp/outcomes.csv\"",
                "INSTALL httpfs                                | file system operations are disabled",
                "SET memory_limit = '100GB'                    | the configuration has been locked",
                "SELECT error('no such shard') FROM outcomes   | no such shard"
            })
    void sql_refused_saysWhy(String sql, String problem) throws Exception {
        add("a", 1, "accepted", "");

        assertThat(printed(2, "record", "sql", sql)).contains(problem, "flk-backend record sql --help");
    }
}
