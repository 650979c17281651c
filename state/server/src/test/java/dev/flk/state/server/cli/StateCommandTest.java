// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.flk.backend.state.MemoryEngine;
import dev.flk.testkit.FreePort;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests of the commands on the state of a running or stopped program. {@code StateIT} checks the content of dumps and
 * backups.
 */
class StateCommandTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final CommandRun cli = new CommandRun();

    private String run(int exitCode, Map<String, String> environment, String... command) {
        assertThat(cli.run(environment, command)).as(cli.out() + cli.err()).isEqualTo(exitCode);
        return (cli.out() + cli.err()).strip();
    }

    @Test
    void fileOfSeveralTokens_isRefused_andNoneIsShown(@TempDir Path directory) throws Exception {
        Path tokens = Files.writeString(directory.resolve("token"), "first-token\nsecond-token\n");

        for (String command : List.of("sessions list --url http://127.0.0.1:1", "info")) {
            assertThat(run(1, Map.of(), (command + " --token-file " + tokens).split(" ", -1)))
                    .contains("--token-file: " + tokens + " does not contain a single token: ")
                    .doesNotContain("first-token", "second-token");
        }
    }

    @Test
    void running_isReadAndWritten_andRefusalsAreShown() throws Exception {
        try (MemoryEngine.Served served = new MemoryEngine.Served()) {
            String url = "--url=" + served.url();
            assertThat(run(0, Map.of(), "health", url)).containsPattern("^ok +state .* serves at .*, revision 0$");
            assertThat(run(0, Map.of(), "set", "a", "k", "{\"n\": 3.50}", url)).isEqualTo("version 1, revision 1");
            assertThat(run(0, Map.of(), "get", "a", "k", url)).isEqualTo("{\"n\":3.50}");
            assertThat(run(1, Map.of(), "set", "a", "k", "2", "--if-version", "0", url))
                    .isEqualTo("flk-state: default/a/k: expected version 0, found 1");
            assertThat(run(0, Map.of(), "set", "a", "k", "2", "--if-version", "1", url))
                    .isEqualTo("version 2, revision 2");
            assertThat(run(0, Map.of(), "get", "a", "k", "--at", "1", url)).isEqualTo("{\"n\":3.50}");
            assertThat(run(0, Map.of(), "delete", "a", "k", url)).isEqualTo("version 3, revision 3");
            assertThat(run(1, Map.of(), "get", "a", "k", url)).isEqualTo("flk-state: no such key: a k");
            assertThat(run(0, Map.of(), "history", "a", "k", url).lines()).hasSize(3);
            List<Integer> revisions = new ArrayList<>();
            for (String line : run(0, Map.of(), "replay", "--json", url).lines().toList()) {
                revisions.add(JSON.readTree(line).get("revision").intValue());
            }
            assertThat(revisions).containsExactly(1, 2, 3);
            assertThat(run(0, Map.of(), "get", "a", "k", "--version", "1", url)).isEqualTo("{\"n\":3.50}");
            assertThat(run(1, Map.of(), "get", "a", "k", "--version", "9", url))
                    .isEqualTo("flk-state: version 9 of a k does not exist, or is no longer kept");
            assertThat(run(1, Map.of(), "get", "a", "k", "--version", "3", url))
                    .isEqualTo("flk-state: version 3 of a k is a deletion");
            assertThat(run(2, Map.of(), "get", "a", "k", "--version", "1", "--at", "1", url))
                    .contains("--at and --version can't be combined; give at most one of them");
            assertThat(run(0, Map.of(), "replay", "a", "--from", "2", "--to", "3", url))
                    .startsWith("namespace default, agent a\n")
                    .hasLineCount(2);
            String committed = JSON.readTree(run(0, Map.of(), "history", "a", "k", "--json", url)
                            .lines()
                            .toList()
                            .get(1))
                    .get("committed_at")
                    .textValue();
            assertThat(run(0, Map.of(), "replay", "--from", committed, url)).hasLineCount(3);
            assertThat(run(0, Map.of(), "replay", "--from", "2026-01-31", url)).hasLineCount(4);
            assertThat(run(0, Map.of(), "replay", "--to", committed, url)).hasLineCount(2);
            assertThat(run(2, Map.of(), "replay", "--from", "x", url))
                    .contains("--from: 'x' is neither a revision nor a time like 2026-01-31 or 2026-01-31T12:00:00Z");
            assertThat(run(0, Map.of(), "set", "b", "k", "1", "--namespace", "other", url))
                    .isEqualTo("version 1, revision 4");
            assertThat(run(0, Map.of(), "namespaces", url)).isEqualTo("other");
            assertThat(run(1, Map.of(), "find", "$.n", url)).contains("Find needs the state in Postgres");
            assertThat(run(2, Map.of(), "dump", "--namespace", "", url)).contains("--namespace: the name is empty");
        }
    }

    @Test
    void valuesThatControlATerminal_areEscaped_alsoInADump() throws Exception {
        String name = "a\u202e";
        try (MemoryEngine.Served served = new MemoryEngine.Served()) {
            String url = "--url=" + served.url();
            run(0, Map.of(), "set", name, name, "{\"host\":\"\u009b\u202e\u2028\"}", url);

            for (String command : List.of("dump", "agents", "replay", "replay --json", "info")) {
                List<String> words = new ArrayList<>(List.of(command.split(" ", -1)));
                words.add(url);
                assertThat(run(0, Map.of(), words.toArray(String[]::new)))
                        .as(command)
                        .doesNotContainPattern("[[\\p{Cc}&&[^\\n\\t]]\\p{Cf}\\p{Zl}\\p{Zp}]");
            }
            assertThat(run(1, Map.of(), "get", name, "none", url)).contains("no such key: a\\u202e none");
            run(0, Map.of(), "dump", url);
            assertThat(cli.out().lines().map(StateCommandTest::isJson)).containsOnly(true);
        }
    }

    private static boolean isJson(String line) {
        try {
            return JSON.readTree(line).isObject();
        } catch (JsonProcessingException e) {
            return false;
        }
    }

    @Test
    void schema_isSetCheckedAndRemoved_andPrefixesAreDeletedAtOnce(@TempDir Path directory) throws Exception {
        Path schema = Files.writeString(
                directory.resolve("schema.json"),
                "{\"properties\":{\"score\":{\"type\":\"integer\",\"maximum\":100}}}");
        try (MemoryEngine.Served served = new MemoryEngine.Served()) {
            String url = "--url=" + served.url();
            run(0, Map.of(), "set", "a", "x/1", "{\"score\":200}", url);
            run(0, Map.of(), "set", "a", "x/2", "{\"score\":7}", url);
            run(0, Map.of(), "set", "a", "y", "1", url);

            assertThat(run(1, Map.of(), "schema", "get", url)).isEqualTo("flk-state: the namespace has no schema");
            assertThat(run(1, Map.of(), "schema", "check", schema.toString(), url))
                    .isEqualTo("a x/1  /score must be at most 100, but is 200\n"
                            + "flk-state: 1 value of 3 violates the schema");
            assertThat(run(0, Map.of(), "schema", "set", schema.toString(), url))
                    .isEqualTo("version 1, revision 4");
            assertThat(run(1, Map.of(), "set", "a", "x/1", "{\"score\":101}", url))
                    .contains(
                            "default/a/x/1: the value violates the schema of the namespace: /score must be at most 100");
            assertThat(run(0, Map.of(), "schema", "get", url)).startsWith("{\"properties\"");
            assertThat(run(
                            1,
                            Map.of(),
                            "schema",
                            "set",
                            directory.resolve("none").toString(),
                            url))
                    .contains("none ");
            assertThat(run(0, Map.of(), "schema", "delete", url)).isEqualTo("version 2, revision 5");

            assertThat(run(1, Map.of(), "delete", "a", "--prefix", "x/", "--if-revision", "1", url))
                    .contains("default/a/x/2 was written at revision 2, after if_revision 1");
            assertThat(run(0, Map.of(), "delete", "a", "--prefix", "x/", url)).isEqualTo("2 keys deleted, revision 6");
            assertThat(run(0, Map.of(), "delete", "a", "--all", url)).isEqualTo("1 key deleted, revision 7");
            assertThat(run(0, Map.of(), "delete", "a", "--all", url)).isEqualTo("nothing to do");
            assertThat(run(2, Map.of(), "delete", "a", url)).contains("give one of KEY, --prefix and --all");
            assertThat(run(2, Map.of(), "delete", "a", "k", "--if-revision", "1", url))
                    .contains("--if-revision needs --prefix or --all");
        }
    }

    @Test
    void nothingListens_saysWhere() {
        String address = "127.0.0.1:" + FreePort.choose();

        assertThat(run(1, Map.of(), "info", "--url", "http://" + address))
                .startsWith("flk-state: the state does not answer at " + address + ": ")
                .endsWith(": nothing listens there; is it running, and is this its STATE_PORT?");
        assertThat(run(1, Map.of(), "info", "--url", "http://no-such-host.invalid:1"))
                .startsWith("flk-state: the state does not answer at no-such-host.invalid:1: its host name can't be");
    }

    @Test
    void urls_invalidOrUnexpected_areErrors() {
        assertThat(run(2, Map.of(), "info", "--url", "nowhere"))
                .contains("--url: write it like http://127.0.0.1:50051");
        assertThat(run(2, Map.of(), "info", "--url", "ftp://127.0.0.1:1")).contains("--url: write it like http://");
        assertThat(run(2, Map.of(), "info", "--offline", "--url", "http://127.0.0.1:1"))
                .contains("--offline contacts no program: leave out --url");
        assertThat(run(2, Map.of(), "restore", "dump", "--url", "http://127.0.0.1:1"))
                .contains("restore contacts no program: leave out --url");
    }

    @Test
    void stopped_isReadAndWritten_andAMissingStateIsNotCreated(@TempDir Path directory) {
        Map<String, String> here = Map.of("PCS_SIGN_ALG", "none", "STATE_DIR", directory.toString());
        assertThat(run(0, here, "set", "a", "k", "\"late\"", "--offline")).isEqualTo("version 1, revision 1");
        assertThat(run(0, here, "get", "a", "k", "--offline")).isEqualTo("\"late\"");
        assertThat(run(0, here, "replay", "a", "--offline").lines()).hasSize(2);
        Path none = directory.resolve("none");
        assertThat(run(1, Map.of("PCS_SIGN_ALG", "none", "STATE_DIR", none.toString()), "info", "--offline"))
                .isEqualTo("flk-state: STATE_DIR: " + none + " does not exist or is not a directory");
        assertThat(Files.exists(none)).isFalse();
    }
}
