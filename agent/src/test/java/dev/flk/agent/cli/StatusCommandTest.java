// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import static dev.flk.agent.send.Certificates.certificate;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.agent.cli.Cli.Ended;
import dev.flk.agent.control.StatusReport;
import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.send.ScriptedBackend.Said;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class StatusCommandTest extends CommandTest {
    private static final Instant NOW = Instant.parse("2026-11-20T08:00:00Z");
    private static final String PID = Long.toString(ProcessHandle.current().pid());

    @Test
    void agentRunning_everythingWorks_exits0() throws Exception {
        cli.startAgent();
        cli.submit(certificate(1));
        awaitStatus("waiting   0 certificates");

        Ended text = cli.run("status");
        Ended json = cli.run("status", "--json");

        assertThat(text.exitCode()).isZero();
        assertThat(text.err()).isEmpty();
        assertThat(text.out().lines().map(line -> line.split(" ", 2)[0]))
                .containsExactly("agent", "outbox", "waiting", "sending", "backend", "", "given", "disk");
        assertThat(text.out())
                .contains("runs as process " + PID)
                .containsPattern(backend.endpoint() + "\n          last answered \\d+ s ago\n");
        JsonNode report = new JsonMapper().readTree(json.out());
        assertThat(report.path("pid").asText()).isEqualTo(PID);
        assertThat(report.path("pending").asInt()).isZero();
        assertThat(report.path("backends").path(0).path("answering").asBoolean())
                .isTrue();
        assertThat(json.exitCode()).isZero();
    }

    @Test
    void withoutAnAgent_certificatesPending_exits1() {
        cli.submit(certificate(1));

        Ended text = cli.run("status");
        Ended json = cli.run("status", "--json");

        assertThat(text.exitCode()).isEqualTo(1);
        assertThat(text.out()).contains("does not run", "waiting   1 certificate,");
        assertThat(text.err())
                .isEqualTo("flk-agent: not healthy: certificates wait, but no agent runs; start flk-agent\n    run\n");
        assertThat(json.exitCode()).isEqualTo(1);
        assertThat(json.err()).isEqualTo(text.err());
        assertThat(cli.unwatched().run("status").err())
                .as("one line for cron's mail and the journal")
                .isEqualTo("flk-agent: not healthy: certificates wait, but no agent runs; start flk-agent run\n");
        assertThat(json.out()).contains("\"pending\":1,").doesNotContain("\"pid\"");
    }

    @ParameterizedTest
    @CsvSource({"SPOOL_DIR, sent", "SOURCES_FILE, read"})
    void withoutAnAgent_thoughItHasWork_exits1(String setting, String what) {
        cli.with(setting, cli.directory.resolve("work").toString());

        Ended ended = cli.run("status");

        assertThat(ended.exitCode()).isEqualTo(1);
        assertThat(unwrapped(ended.err()))
                .contains("no agent runs, so nothing of " + setting + " is " + what + "; start flk-agent run");
    }

    @Test
    void pendingLongerThanMaxAge_exits1WithTheAge() throws Exception {
        try (Outbox outbox = cli.own(InstantSource.offset(InstantSource.system(), Duration.ofHours(-2)))) {
            outbox.append(List.of(certificate(1)));
        }

        Ended preset = cli.run("status");
        Ended longer = cli.run("status", "--max-age", "3h");

        assertThat(preset.exitCode()).isEqualTo(1);
        assertThat(unwrapped(preset.err()))
                .contains("not healthy: the oldest certificate has waited for 2 h 0 min, more than 1 h 0 min");
        assertThat(preset.out()).contains("the oldest for 2 h 0 min");
        assertThat(longer.err()).doesNotContain("the oldest");
    }

    @Test
    void invalidMaxAge_exits2() {
        Ended ended = cli.run("status", "--max-age", "five");

        assertThat(ended.exitCode()).isEqualTo(2);
        assertThat(ended.err())
                .contains("--max-age: the value is not a duration; write it like", "Try: flk-agent status");
    }

    @Test
    void noBackendAnswers_exits1WithWhatIsKnown() throws Exception {
        cli.startAgent();
        cli.submit(certificate(1));
        awaitStatus("waiting   0 certificates"); // so the average of the last minute is not 0
        backend.submit = line -> Said.nothing();
        backend.health = Said.nothing();
        cli.submit(certificate(2));
        Awaitility.await().until(() -> cli.run("status").err().contains("no backend answers"));

        Ended text = cli.run("status");

        assertThat(text.exitCode()).isEqualTo(1);
        assertThat(text.err()).contains("no backend answers; flk-agent doctor looks for the cause");
        assertThat(text.out())
                .contains("          does not answer, last answered ", "          last error 20")
                .containsPattern("\nsending   0\\.[1-9] a second, \\d in flight, no backend answers\n")
                .doesNotContain("empty in");
        assertThat(cli.run("status", "--json").out())
                .contains("\"settled_per_second\":0.")
                .doesNotContain("drain_seconds");
    }

    @Test
    void controlCharactersOfTheBackend_areEscaped() throws Exception {
        backend.submit = line -> Said.error(503, "\\u001b[2J\\u009b31m\\u202e" + "x".repeat(100));
        cli.startAgent();
        cli.submit(certificate(1));
        awaitStatus("last error");

        assertThat(cli.run("status").out()).contains("?[2J?31m?x").doesNotContainPattern("[\\p{Cc}&&[^\n]]");
        assertThat(cli.run("status", "--json").out())
                .contains("[2J")
                .doesNotContainPattern("[\\p{Cc}\\p{Cf}&&[^\n]]|(?i)\\\\u001b");
    }

    @Test
    void refusedWithoutTheMark_exits1WithTheAnswer() throws Exception {
        backend.marks = false;
        backend.submit = line -> Said.error(400, "who are you?");
        cli.startAgent();
        cli.submit(certificate(1));
        awaitStatus("held ");

        Ended text = cli.run("status");

        assertThat(text.exitCode()).isEqualTo(1);
        assertThat(text.out().replace("\n          ", " "))
                .contains("held      1 certificate: status 400 without the backend's mark: who are you?");
        assertThat(unwrapped(text.err()))
                .contains("not healthy: 1 certificate is held (status 400 without the backend's mark: who are you?);"
                        + " look for a proxy that answers, or changes bodies, in between");
        assertThat(cli.run("status", "--json").out())
                .contains("\"held\":{\"certificates\":1,\"because\":\"status 400 without");
    }

    @Test
    void lostRecords_exits1AndNamesFsck() throws Exception {
        cli.submit(certificate(1), certificate(2), certificate(3));
        cli.damage("\"epoch\":2");

        Ended ended = cli.run("status");

        assertThat(ended.exitCode()).isEqualTo(1);
        assertThat(ended.err()).contains("the disk has lost 1 record; flk-agent fsck lists them");
        assertThat(ended.out()).contains("lost      1 record, because of disk damage", "waiting   2 certificates");
    }

    @Test
    void diskNearlyFull_exits1() {
        Ended ended = cli.with("OUTBOX_MIN_FREE_BYTES", "1000000TiB").run("status");

        assertThat(ended.exitCode()).isEqualTo(1);
        assertThat(unwrapped(ended.err()))
                .contains("left, less than OUTBOX_MIN_FREE_BYTES; no certificate is accepted");
    }

    @ParameterizedTest
    @CsvSource({
        "true, 2026-11-20T07:56:55Z, , last answered 3 min 5 s ago",
        "true, 2026-11-20T07:59:59Z, refused, last answered 1 s ago",
        "true, 2026-11-20T09:00:00Z, , last answered 0 s ago",
        "true, , , not contacted yet",
        "true, , refused, no answer yet",
        "false, 2026-11-20T06:00:00Z, refused, 'does not answer, last answered 2 h 0 min ago'",
        "false, , refused, 'does not answer, no answer yet'",
    })
    void backend_timeOfItsLastAnswer_isShown(boolean answering, String lastAnswer, String error, String said) {
        String text = StatusCommand.text(
                with(new StatusReport.Backend(
                        "http://a:1", answering, lastAnswer, 0, 1, 0, error == null ? null : NOW.toString(), error)),
                NOW);

        assertThat(text.lines()).containsSubsequence("backend   http://a:1", "          " + said);
    }

    private static StatusReport with(StatusReport.Backend backend) {
        return new StatusReport(
                7L,
                "outbox",
                new StatusReport.Waiting(0, 0, null, null),
                new StatusReport.Sending(0, 0.0, 0L, List.of(backend), 0L, null, null),
                "dlq",
                0,
                0,
                new StatusReport.Disk(0, 1, 1, 0),
                null);
    }
}
