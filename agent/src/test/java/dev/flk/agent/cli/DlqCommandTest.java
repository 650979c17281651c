// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import static dev.flk.agent.send.Certificates.certificate;
import static dev.flk.agent.send.Certificates.id;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.agent.cli.Cli.Ended;
import dev.flk.agent.send.ScriptedBackend.Said;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Tests with three dead letters: a backend refused 1 and 2 because of the schema and 3 because of merkle_root, and
 * accepted 4.
 */
class DlqCommandTest extends CommandTest {
    @BeforeEach
    void giveThreeUp() throws Exception {
        backend.submit = line -> line.contains("\"epoch\":4,")
                ? Said.recorded(line)
                : Said.error(400, line.contains("\"epoch\":3,") ? "merkle_root is no hash" : "Schema is unknown");
        cli.with("BATCH_SIZE", "1");
        cli.submit(certificate(1), certificate(2), certificate(3), certificate(4));
        cli.runUntilEmpty();
        backend.received.clear();
        backend.submit = Said::recorded;
    }

    private List<String> letters() throws Exception {
        return Files.readAllLines(cli.deadLetters());
    }

    /** Returns a line as version 0.1 wrote it. */
    private static String withoutChecksum(String line) {
        return line.replaceFirst(",\"crc32c\":\"[0-9a-f]{8}\"}$", "}");
    }

    /** Returns the sorted epochs of the remaining letters. */
    private List<Integer> epochs() throws Exception {
        return letters().stream()
                .map(line -> {
                    try {
                        return new JsonMapper()
                                .readTree(line)
                                .path("certificate")
                                .path("epoch")
                                .asInt();
                    } catch (java.io.IOException e) {
                        throw new AssertionError(e);
                    }
                })
                .sorted()
                .toList();
    }

    @Test
    void list_printsTwoLinesForEach() {
        String list = done("dlq", "list");

        assertThat(list.lines()).hasSize(7);
        assertThat(list)
                .containsPattern("(?m)^20\\S+Z  #1 +" + id(1).substring(0, 15) + "… +400 1 attempt$")
                .contains("\n    Schema is unknown\n", "\n    merkle_root is no hash\n")
                .endsWith("\n3 dead letters\n");
    }

    @Test
    void list_json_printsTheFile() throws Exception {
        assertThat(done("dlq", "list", "--json").lines()).isEqualTo(letters());
        assertThat(done("dlq", "list", "--json", "--reason", "MERKLE").lines())
                .singleElement()
                .asString()
                .contains("\"epoch\":3,");
    }

    @Test
    void list_severalFilters_mustAllMatch() {
        assertThat(done("dlq", "list", "--reason", "schema")).endsWith("\n2 dead letters\n");
        assertThat(done("dlq", "list", "--id", id(1), "--id", "3")).endsWith("\n2 dead letters\n");
        assertThat(done("dlq", "list", "--id", id(1), "--reason", "merkle")).isEqualTo("0 dead letters\n");
        assertThat(done("dlq", "list", "--since", "1d")).endsWith("\n3 dead letters\n");
        assertThat(done(
                        "dlq",
                        "list",
                        "--since",
                        Instant.now().plusSeconds(3600).toString()))
                .isEqualTo("0 dead letters\n");
    }

    @ParameterizedTest
    @ValueSource(strings = {"yesterday", "2w", "", "2026-11-20"})
    void since_invalid_exits2(String since) {
        Ended ended = cli.run("dlq", "list", "--since", since);

        assertThat(ended.exitCode()).isEqualTo(2);
        assertThat(ended.err())
                .contains("--since is \"" + since + "\"; write a time such as")
                .endsWith("Try: flk-agent dlq list --help\n");
    }

    @Test
    void show_byIdOrSequence_printsEverything() {
        String shown = done("dlq", "show", id(2));

        assertThat(shown)
                .contains(
                        "outbox       #2, added 20",
                        "pcs_id       " + id(2) + "\n",
                        "status       400\n",
                        "attempts     1\n",
                        "reason       Schema is unknown\n",
                        "certificate\n" + new String(certificate(2), StandardCharsets.UTF_8) + "\n");
        assertThat(done("dlq", "show", "2")).isEqualTo(shown);
        assertThat(done("dlq", "show", "--json", "2")).startsWith("{").contains("\"epoch\":2,");
    }

    @Test
    void show_abbreviatedId_findsTheDeadLetter() {
        String shown = done("dlq", "show", id(2));

        assertThat(done("dlq", "show", id(2).substring(0, 8))).isEqualTo(shown);
        assertThat(done("dlq", "show", id(2).substring(0, 63))).isEqualTo(shown);
        assertThat(done("dlq", "show", id(2).substring(0, 15) + "…")).isEqualTo(shown);
    }

    @Test
    void show_abbreviatedIdTooShort_exits1AndNamesTheMinimumLength() {
        Ended ended = cli.run("dlq", "show", "abcdef0");

        assertThat(ended.exitCode()).isEqualTo(1);
        assertThat(ended.out()).isEmpty();
        assertThat(ended.err().replace("\n    ", " "))
                .isEqualTo("flk-agent: no dead letter matches abcdef0; give at least 8 characters of its id."
                        + " 'flk-agent dlq list' lists all\n");
    }

    @Test
    void ambiguousId_exits1NamesFiveAndChangesNothing() throws Exception {
        String letter = withoutChecksum(letters().get(0));
        List<String> alike = IntStream.rangeClosed(1, 7)
                .mapToObj(i -> "abcdef01" + Integer.toString(i).repeat(56))
                .toList();
        Files.write(
                cli.deadLetters(),
                IntStream.range(0, 7)
                        .mapToObj(i -> letter.replace(id(1), alike.get(i))
                                .replace("\"outbox_seq\":1,", "\"outbox_seq\":" + (101 + i) + ","))
                        .toList(),
                StandardOpenOption.APPEND);

        for (String command : List.of("show", "requeue --id", "requeue --dry-run --id", "purge --id", "list --id")) {
            Ended ended = cli.run(("dlq " + command + " abcdef01").split(" "));

            assertThat(ended.exitCode()).as(command).isEqualTo(1);
            assertThat(ended.out()).as(command).isEmpty();
            assertThat(ended.err().replace("\n    ", " "))
                    .as(command)
                    .isEqualTo("flk-agent: abcdef01 is the beginning of several ids: "
                            + String.join(", ", alike.subList(0, 5)) + " and more; give more characters\n");
        }
        assertThat(letters()).hasSize(10);
        Ended ended = cli.run("dlq", "requeue", "--id", "abcdef013", "--dry-run");
        assertThat(ended.exitCode()).isZero();
        assertThat(ended.out()).isEqualTo("1 dead letter would be requeued\n");
        assertThat(ended.err()).contains("1 dead letter without a checksum, as version 0.1 wrote them:");
    }

    @Test
    void show_sequenceThatIsAlsoAnAbbreviatedId_findsTheSequence() throws Exception {
        String letter = withoutChecksum(letters().get(0));
        Files.write(
                cli.deadLetters(),
                List.of(
                        letter.replace(id(1), "12345678".repeat(8)).replace("\"outbox_seq\":1,", "\"outbox_seq\":101,"),
                        letter.replace(id(1), "a".repeat(64)).replace("\"outbox_seq\":1,", "\"outbox_seq\":12345678,")),
                StandardOpenOption.APPEND);

        assertThat(done("dlq", "show", "12345678")).contains("outbox       #12345678,");
    }

    @Test
    void requeue_twice_sendsOnce() throws Exception {
        assertThat(done("dlq", "requeue", "--id", id(1), "--dry-run")).isEqualTo("1 dead letter would be requeued\n");
        assertThat(epochs()).containsExactly(1, 2, 3);

        assertThat(done("dlq", "requeue", "--id", id(1))).isEqualTo("1 dead letter requeued\n");
        assertThat(done("dlq", "requeue", "--id", id(1))).isEqualTo("0 dead letters requeued\n");

        assertThat(epochs()).containsExactly(2, 3);
        cli.runUntilEmpty();
        assertThat(backend.received).singleElement().asString().contains(id(1));
    }

    @Test
    void requeue_agentRunning_agentSendsOnce() throws Exception {
        cli.startAgent();
        assertThat(done("dlq", "requeue", "--reason", "schema", "--json")).isEqualTo("{\"requeued\":2}\n");
        assertThat(done("dlq", "requeue", "--reason", "schema", "--json")).isEqualTo("{\"requeued\":0}\n");
        awaitStatus("waiting   0 certificates");

        assertThat(backend.received).hasSize(2);
        assertThat(done("status")).contains("given up  1 in ");
        cli.stopAgent();
        assertThat(epochs()).containsExactly(3);
    }

    @Test
    void purge_withOrWithoutAnAgent_removesOnlyTheSelected() throws Exception {
        assertThat(done("dlq", "purge", "--since", "1d", "--reason", "merkle", "--dry-run", "--json"))
                .isEqualTo("{\"matching\":1}\n");
        assertThat(done("dlq", "purge", "--since", "1d", "--reason", "merkle")).isEqualTo("1 dead letter purged\n");
        assertThat(epochs()).containsExactly(1, 2);

        cli.startAgent();
        assertThat(done("dlq", "purge", "--all", "--dry-run")).isEqualTo("2 dead letters would be purged\n");
        assertThat(done("dlq", "purge", "--id", "2", "--json")).isEqualTo("{\"purged\":1}\n");
        assertThat(done("dlq", "purge", "--all")).isEqualTo("1 dead letter purged\n");
        assertThat(done("dlq", "purge", "--all")).isEqualTo("0 dead letters purged\n");
        cli.stopAgent();
        assertThat(letters()).isEmpty();
        assertThat(backend.received).isEmpty();
    }

    @Test
    void flippedBit_lineIsNamedNotSentAndKept() throws Exception {
        List<String> damaged = new ArrayList<>(letters());
        damaged.set(1, damaged.get(1).replace("\"coh_star\":0.5", "\"coh_star\":0.1"));
        damaged.set(2, damaged.get(2).replace("\"certificate\":{", "\"certificate\":["));
        Files.write(cli.deadLetters(), damaged);

        assertThat(done("dlq", "list")).containsOnlyOnce("400 1 attempt, damaged\n");
        assertThat(done("dlq", "show", "2")).contains("checksum     differs: the line is damaged\n");
        assertRefused(2, "dlq requeue --all --dry-run");
        assertRefused(1, "dlq requeue --all");
        assertRefused(1, "dlq purge --all");
        assertRefused(1, "fsck");
        assertThat(letters()).isEqualTo(damaged.subList(1, 3));
        cli.runUntilEmpty();
        assertThat(backend.received).singleElement().asString().contains("\"coh_star\":0.5");
    }

    private void assertRefused(int line, String command) {
        Ended ended = cli.run(command.split(" "));
        assertThat(ended.exitCode()).as(command).isEqualTo(1);
        assertThat(unwrapped(ended.out() + ended.err()))
                .as(command)
                .contains(
                        "line " + line + " of " + cli.deadLetters() + " is damaged: it does not end with the checksum",
                        "line " + (line + 1) + " of " + cli.deadLetters()
                                + " is damaged or is not a dead letter: not a");
    }

    @Test
    void lineOfVersion01_isRequeuedAndSaidToHaveNoChecksum() throws Exception {
        Files.writeString(cli.deadLetters(), withoutChecksum(letters().get(0)) + "\n");

        assertThat(cli.run("dlq", "list").err()).contains("1 dead letter without a checksum");
        assertThat(done("dlq", "show", "1")).contains("checksum     none, as version 0.1 wrote it\n");
        Ended ended = cli.run("dlq", "requeue", "--all");
        assertThat(ended.exitCode()).isZero();
        assertThat(ended.out()).isEqualTo("1 dead letter requeued\n");
        assertThat(ended.err()).contains("1 dead letter without a checksum");
    }

    @ParameterizedTest
    @ValueSource(strings = {"requeue", "purge", "requeue --all --id 1", "purge --reason x --all", "requeue --dry-run"})
    void requeueOrPurge_nothingSelectedOrAllWithAFilter_exits2(String command) throws Exception {
        Ended ended = cli.run(("dlq " + command).split(" "));

        assertThat(ended.exitCode()).isEqualTo(2);
        assertThat(ended.err())
                .contains("--reason, --since", "--id", "--all")
                .containsPattern("Try: flk-agent dlq (requeue|purge) --help\n$");
        assertThat(epochs()).hasSize(3);
    }

    @Test
    void list_controlCharacters_areEscaped() throws Exception {
        String evil = "\u009b2J\u202e\u007f";
        String line = withoutChecksum(letters().get(0))
                .replace("Schema is unknown", evil + "x".repeat(300))
                .replace(id(1), evil);
        Files.writeString(cli.deadLetters(), line + "\n");

        assertThat(done("dlq", "list")).contains("\n    ?2J??x").doesNotContain(evil);
        assertThat(done("dlq", "show", "1")).doesNotContain("\u009b", "\u202e");
        String printed = done("dlq", "list", "--json");
        assertThat(printed).contains("\\u009b2J\\u202e\\u007f").doesNotContain("\u009b", "\u202e", "\u007f");
        assertThat(new JsonMapper().readTree(printed)).isEqualTo(new JsonMapper().readTree(line));
    }

    @Test
    void linesThatAreNotDeadLetters_areNotCountedAndStay() throws Exception {
        Files.writeString(cli.deadLetters(), "nonsense\n".repeat(3), StandardOpenOption.APPEND);

        Ended list = cli.run("dlq", "list");
        assertThat(list.out()).endsWith("\n3 dead letters\n");
        assertThat(unwrapped(list.err()))
                .contains(
                        "line 4 of " + cli.deadLetters() + " is damaged or is not a dead letter: not a JSON object\n");
        assertThat(done("status")).contains("given up  3 in ");
        cli.startAgent();
        assertThat(done("status")).contains("given up  3 in ");
        assertThat(cli.run("dlq", "purge", "--all").out()).isEqualTo("3 dead letters purged\n");
        cli.stopAgent();
        assertThat(letters()).containsExactly("nonsense", "nonsense", "nonsense");
    }

    @Test
    void fileOfAnotherKind_exits2AndStaysUnchanged() throws Exception {
        Path notes = Files.writeString(directory.resolve("notes.txt"), "buy milk\n");
        cli.with("DLQ_PATH", notes.toString());
        String reason = "DLQ_PATH: the first line of " + notes
                + " is not a dead letter; name another file, or move this one away";

        for (String command :
                List.of("run", "dlq list", "dlq show 1", "dlq requeue --all", "dlq purge --all", "status")) {
            Ended ended = cli.run(command.split(" "));
            assertThat(ended.exitCode()).as(command).isEqualTo(2);
            assertThat(unwrapped(ended.err())).as(command).contains(reason);
        }
        assertThat(unwrapped(cli.run("doctor").out())).contains("BAD dead letters: " + reason);
        assertThat(notes).hasContent("buy milk\n");
    }
}
