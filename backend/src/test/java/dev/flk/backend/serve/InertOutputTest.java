// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.access.keys.Signatures;
import dev.flk.backend.operate.cli.CommandLineProgram;
import dev.flk.backend.outcomes.record.MemoryRecord;
import dev.flk.backend.outcomes.record.Reviews;
import dev.flk.backend.outcomes.record.Reviews.ReviewMetrics;
import dev.flk.backend.sessions.SessionAccess;
import dev.flk.backend.sessions.SessionConfig;
import dev.flk.backend.sessions.Sessions;
import dev.flk.backend.sessions.StateSessions;
import dev.flk.signing.SignatureCheck;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** Tests of commands that print what senders wrote: their output neither runs in a spreadsheet nor changes a terminal. */
final class InertOutputTest {
    private static final String SPOKEN = "pump\u202e7\u2028\u0085\u007f\u2066";
    private static final SessionConfig CONFIG = SessionConfig.inState(Duration.ofHours(1), Duration.ofMinutes(5));

    @RegisterExtension
    private final ServerFixture server = new ServerFixture();

    private final MemoryRecord record = new MemoryRecord();

    @TempDir
    private Path directory;

    private Sessions sessions;

    @BeforeEach
    void start() throws IOException {
        server.record = record.outcomes();
        server.reviews = new Reviews(
                record.outcomes(),
                record.engine(),
                Duration.ofDays(1),
                Duration.ofDays(90),
                () -> ServerFixture.NOW,
                new ReviewMetrics(server.metrics, 2));
        sessions = Sessions.start(
                new StateSessions(record.engine(), CONFIG.ttl(), () -> ServerFixture.NOW),
                new SessionAccess(
                        Signatures.anyOf(0, SignatureCheck.hmac(List.of("secret"))),
                        (token, namespace, prefix, writes) -> Optional.of(true),
                        () -> ServerFixture.NOW),
                CONFIG,
                server.sessionMetrics);
        server.sessions = sessions;
        Files.writeString(directory.resolve("token"), "all");
    }

    @AfterEach
    void close() {
        sessions.close();
        record.close();
    }

    private String printed(String... args) throws IOException {
        StringWriter printed = new StringWriter();
        PrintWriter out = new PrintWriter(printed);
        List<String> command = new ArrayList<>(List.of(args));
        command.addAll(List.of("--url", "http://127.0.0.1:" + server.port()));
        int ended =
                new CommandLineProgram(Map.of(), (config, again) -> {}, out, out).run(command.toArray(String[]::new));
        assertThat(ended).as(printed.toString()).isZero();
        return printed.toString();
    }

    private String rejected(String shard, String reason) {
        return record.add(shard, 1, "rejected", reason, ServerFixture.NOW, Map.of("D_hat", -1.5));
    }

    @Test
    void csv_formulas_areText_numbersStayNumbers() throws Exception {
        rejected("=HYPERLINK(\"http://evil.example\")", "@SUM(1): +2");

        assertThat(printed("record", "--verdict", "rejected", "--csv"))
                .contains(",\"'=HYPERLINK(\"\"http://evil.example\"\")\",1,", ",-1.5,", "'@SUM(1): +2");
    }

    @Test
    void commands_printNothingRaw() throws Exception {
        String id = rejected(SPOKEN, SPOKEN + ": 1");
        String token = directory.resolve("token").toString();
        String state = "{\"host\":\"" + SPOKEN + "\"}";
        List<String> all = new ArrayList<>();
        all.add(printed("record"));
        all.add(printed("record", "--json"));
        all.add(printed("record", "--verdict", "rejected"));
        all.add(printed("record", "--verdict", "rejected", "--json"));
        all.add(printed("record", "--verdict", "rejected", "--csv"));
        all.add(printed("review", "list"));
        all.add(printed("review", "list", "--json"));
        all.add(printed("review", "set", id, "--verdict", "fault", "--note", SPOKEN, "--author", SPOKEN, "--json"));
        all.add(printed("review", "list", "--reviewed"));
        all.add(printed("review", "list", "--reviewed", "--json"));
        all.add(printed("sessions", "set", "pump", state, "--token-file", token));
        for (String action : List.of("list", "get")) {
            List<String> command = new ArrayList<>(List.of("sessions", action, "--token-file", token));
            if (action.equals("get")) {
                command.add("pump");
            }
            all.add(printed(command.toArray(String[]::new)));
            command.add("--json");
            all.add(printed(command.toArray(String[]::new)));
        }

        assertThat(all)
                .allSatisfy(text -> assertThat(text)
                        .isNotEmpty()
                        .doesNotContainPattern("[[\\p{Cc}&&[^\\n\\t]]\\p{Cf}\\p{Zl}\\p{Zp}]"));
        assertThat(all.get(all.size() - 1))
                .contains("\"state\":{\"host\":\"pump\\u202e7\\u2028\\u0085\\u007f\\u2066\"}");
    }
}
