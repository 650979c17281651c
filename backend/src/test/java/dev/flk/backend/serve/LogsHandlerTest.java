// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.backend.logs.SeenLogs;
import dev.flk.backend.operate.cli.CommandLineProgram;
import dev.flk.http.testing.RawClient.Reply;
import dev.flk.program.json.Json;
import dev.flk.program.logging.Audit;
import dev.flk.program.logging.Audit.AuditMetrics;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests of the logs of a store, over HTTP and by the commands {@code logs}. */
final class LogsHandlerTest {
    private static final String LOST_ID = "%032x".formatted(2);

    @RegisterExtension
    private final ServerFixture server = new ServerFixture();

    @TempDir
    private Path directory;

    private Audit audit;
    private SeenLogs logs;

    @BeforeEach
    void start() throws IOException {
        audit = Audit.open(directory, InstantSource.system(), System::nanoTime, new AuditMetrics(server.metrics));
        logs = new SeenLogs(ServerFixture.NOW, audit);
        server.logs = logs.registered();
        logs.report(logs.entry(3, "other", Duration.ZERO));
    }

    @AfterEach
    void close() {
        logs.registered().close();
        audit.close();
    }

    /** Adds a log of this name whose backend does not report it any more, and that is missing. */
    private void lose(String name) {
        logs.report(logs.entry(2, name, Duration.ZERO));
        logs.pass(Duration.ofMinutes(11));
        logs.report(logs.entry(3, "other", Duration.ZERO));
    }

    private Reply forget(String body) throws IOException {
        return server.connect()
                .send("POST /v1/logs/forget HTTP/1.1\nHost: h\nContent-Length: "
                        + body.getBytes(StandardCharsets.UTF_8).length + "\n\n" + body)
                .read();
    }

    private List<String> statuses() throws IOException {
        List<String> statuses = new ArrayList<>();
        Json.parse(server.get("/v1/logs").body())
                .path("logs")
                .forEach(log -> statuses.add(
                        log.path("name").asText() + " " + log.path("status").asText()));
        return statuses;
    }

    private String run(int exitCode, String... command) throws IOException {
        StringWriter printed = new StringWriter();
        PrintWriter out = new PrintWriter(printed);
        List<String> args = new ArrayList<>(List.of(command));
        args.add("--url=http://127.0.0.1:" + server.port());
        int ended = new CommandLineProgram(Map.of(), (config, again) -> {}, out, out).run(args.toArray(String[]::new));
        assertThat(ended).as(printed.toString()).isEqualTo(exitCode);
        return printed.toString();
    }

    private static String oneLine(String text) {
        return text.replaceAll("\\s+", " ").strip();
    }

    @Test
    void get_listsTheLogsByName_withWhatTheirBackendsReported() throws IOException {
        lose("lost");
        JsonNode answer = Json.parse(server.get("/v1/logs").body());
        assertThat(answer.path("read_at").asText()).isEqualTo("2026-01-09T10:41:45Z");
        assertThat(answer.has("problem")).isFalse();
        assertThat(answer.path("logs").get(0).toString())
                .isEqualTo("{\"name\":\"lost\",\"log_id\":\"" + LOST_ID + "\",\"status\":\"missing\","
                        + "\"instance\":\"0000000000000002\",\"version\":\"1.0\","
                        + "\"policy\":\"0123456789abcdef0123\",\"keys\":\"\","
                        + "\"started\":\"1970-01-01T00:00:00Z\",\"seen\":\"2026-01-09T10:30:45Z\","
                        + "\"last\":2000,\"archived_up_to\":0,"
                        + "\"figures\":{\"url\":\"https://h/ui\",\"problems\":1,\"waiting\":2,\"lag_seconds\":3}}");
        assertThat(statuses()).containsExactly("lost missing", "other up", "own up");
    }

    @Test
    void storeFails_listSaysSo_andNothingIsForgotten() throws IOException {
        lose("lost");
        logs.fail();
        assertThat(Json.parse(server.get("/v1/logs").body()).path("problem").asText())
                .isEqualTo("the store does not answer");
        assertThat(statuses()).contains("lost missing");
        assertThat(forget("{\"log\":\"lost\"}").status()).isEqualTo(503);
        assertThat(oneLine(run(1, "logs")))
                .contains("This is not up to date, because the store can't be read: the store does not answer");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "400|x|the body is not JSON",
                "400|{}|the body is not an object with the member log only, a text",
                "400|{\"log\":7}|the body is not an object with the member log only, a text",
                "400|{\"log\":\"lost\",\"yes\":true}|the body is not an object with the member log only, a text",
                "409|{\"log\":\"none\"}|the store knows no log with the name or id none",
                "409|{\"log\":\"other\"}|the log other is in use: a backend reported it ",
                "409|{\"log\":\"own\"}|the log own is in use: a backend reported it "
            })
    void forget_mistake_isRefused(int status, String body, String message) throws IOException {
        lose("lost");
        Reply reply = forget(body);
        assertThat(reply.status()).isEqualTo(status);
        assertThat(reply.body()).contains(message);
        assertThat(statuses()).containsExactly("lost missing", "other up", "own up");
    }

    @Test
    void forget_severalLogsWithOneName_needsTheId() throws IOException {
        lose("other");
        Reply reply = forget("{\"log\":\"other\"}");
        assertThat(reply.status()).isEqualTo(409);
        assertThat(reply.body()).contains("several logs have the name other; give the id of one: " + LOST_ID + ", ");
        assertThat(oneLine(run(1, "logs", "forget", "other", "--yes")))
                .contains("several logs have the name other; give the id of one, as 'logs --json' prints it");
        assertThat(statuses()).containsExactly("other missing", "other up", "own up");
        assertThat(oneLine(run(0, "logs", "forget", LOST_ID, "--yes"))).contains("was given up");
        assertThat(statuses()).containsExactly("other forgotten", "other up", "own up");
    }

    @Test
    void logs_nothingMissing_isATable() throws IOException {
        assertThat(run(0, "logs")).isEqualTo("""
                backend    seen (UTC)           records  policy    keys      log
                up         2026-01-09 10:30:45     3000  01234567            other
                up         2026-01-09 10:30:45     1000  01234567            own
                """);
    }

    @Test
    void logs_missingLogWithALongName_fitsAndSaysWhatToDo() throws IOException {
        String name = "a-release-of-the-chart-flk-backend-0.flk-backend.measurements.svc.cluster.example.com-and-so-on";
        lose(name);
        String printed = run(1, "logs");
        assertThat(printed.lines()).allSatisfy(line -> assertThat(line).hasSizeLessThanOrEqualTo(80));
        assertThat(printed.lines().toList().get(1))
                .startsWith("missing    2026-01-09 10:30:45     2000  01234567            (see below)");
        assertThat(printed.replaceAll("\\s+", ""))
                .contains("log" + name)
                .contains("Thelog" + name + "ismissing.Bringitsdiskback;")
                .contains("('logsforget" + name + "').");
        assertThat(Json.parse(run(1, "logs", "--json")).path("logs")).hasSize(3);
    }

    @Test
    void forgetLog_withoutYes_saysWhatIsLostAndChangesNothing() throws IOException {
        lose("lost");
        String printed = run(1, "logs", "forget", "lost");
        assertThat(printed.lines()).allSatisfy(line -> assertThat(line).hasSizeLessThanOrEqualTo(80));
        assertThat(oneLine(printed))
                .contains("Only the log lost (" + LOST_ID + ") has the bodies of its certificates, 2000 records when")
                .contains("nothing was changed; to give up the log, add --yes");
        assertThat(statuses()).contains("lost missing");
    }

    @Test
    void forgetLog_withYes_givesItUp_andIsAudited() throws IOException {
        lose("lost");
        assertThat(oneLine(run(0, "logs", "forget", "lost", "--yes")))
                .contains("The store keeps the outcomes")
                .endsWith("The log lost (" + LOST_ID + ") was given up.");
        assertThat(statuses()).containsExactly("lost forgotten", "other up", "own up");
        assertThat(run(0, "logs")).contains("forgotten");
        assertThat(Files.readString(directory.resolve("audit.jsonl")))
                .contains(
                        "\"event\":\"log_forgotten\"",
                        "\"log\":\"lost\"",
                        "\"log_id\":\"" + LOST_ID + "\"",
                        "\"user\":\"local\"");
    }

    @Test
    void forgetLog_unknownOrInUse_isRefusedEitherWay() throws IOException {
        assertThat(oneLine(run(1, "logs", "forget", "none", "--yes")))
                .contains("the store knows no log with the name or id none; 'logs' lists the logs");
        for (String[] command : new String[][] {{"logs", "forget", "other"}, {"logs", "forget", "other", "--yes"}}) {
            assertThat(oneLine(run(1, command)))
                    .contains("the log other is in use: a backend reported it at 2026-01-09T10:30:45Z; a log can be");
        }
    }
}
