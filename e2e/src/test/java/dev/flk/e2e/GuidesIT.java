// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.Client.Answer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests that each item of the old guides works as written or is in {@code docs/from-the-guide.md}, and that these tables
 * say the same as the programs do. What can be tried in a moment is tried; of anything else, the test must exist that
 * tries it.
 */
final class GuidesIT {
    private static final Pattern PYTHON_TEST = Pattern.compile("def (test_\\w+)");

    @TempDir
    private Path directory;

    /** The rows of the table of each section: the words of the guide, and ours without links and code marks. */
    private final Map<String, Map<String, String>> tables = tables();

    /** The names of test classes, and of the tests in Python. */
    private final Set<String> tests = tests();

    /** An item of a guide, as {@code guides.txt} describes it. */
    private record Item(String section, String name, String where, String tried, String expected) {}

    private static Map<String, Map<String, String>> tables() {
        Map<String, Map<String, String>> tables = new HashMap<>();
        for (String section : read("docs/from-the-guide.md").split("\n## ", -1)) {
            tables.put(
                    section.lines().findFirst().orElseThrow(),
                    section.lines()
                            .filter(line -> line.startsWith("| "))
                            .map(line -> line.replace("\\|", "/").split(" *[|] *", -1))
                            .collect(Collectors.toMap(
                                    cells -> cells[1], cells -> cells[2].replaceAll("]\\([^)]*\\)|[`\\[]", ""))));
        }
        return tables;
    }

    private static Set<String> tests() {
        Set<String> tests = new HashSet<>();
        for (String module : List.of("e2e", "backend", "state/server", "libs/access", "verifier-core")) {
            try (Stream<Path> files = Files.walk(Built.root().resolve(module + "/src/test/java"))) {
                files.map(file -> file.getFileName().toString().replace(".java", ""))
                        .forEach(tests::add);
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        }
        for (String name : List.of("statehouse", "certificates")) {
            Matcher test = PYTHON_TEST.matcher(read("clients/python/tests/test_" + name + ".py"));
            test.results().map(found -> found.group(1)).forEach(tests::add);
        }
        return tests;
    }

    private static String read(String file) {
        try {
            return Files.readString(Built.root().resolve(file));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static List<Item> items() {
        List<Item> items = new ArrayList<>();
        String section = "";
        for (String line : read("e2e/src/test/resources/guides.txt").lines().toList()) {
            if (line.startsWith("## ")) {
                section = line.substring(3);
            } else if (!line.isEmpty() && !line.startsWith("#")) {
                String[] cells = (line + " | | ").split(" *[|] ", -1);
                items.add(new Item(section, cells[0], cells[1].strip(), cells[2].strip(), cells[3].strip()));
            }
        }
        return items;
    }

    @Test
    void eachFormerName_isInATableWithItsAdvice() {
        List<String[]> formerNames = read("libs/program/src/main/resources/dev/flk/program/cli/former-names.txt")
                .lines()
                .map(line -> line.split(" *[|] ", -1))
                .toList();

        assertThat(formerNames)
                .hasSizeGreaterThan(15)
                .allSatisfy(cells -> assertThat(tables.values())
                        .as(cells[0])
                        .anySatisfy(rows -> assertThat(rows).anySatisfy((guide, ours) -> {
                            assertThat(guide).contains('`' + cells[0] + '`');
                            assertThat(ours).contains("use " + cells[2]);
                        })));
    }

    @Test
    void eachItem_worksOrIsInATable() throws Exception {
        List<String> wrong = new ArrayList<>();
        try (ServedBackend backend = BackendInJvm.start(directory, Map.of("OPS_PORT", "0"));
                ServedBackend state = StateInJvm.start(directory, Map.of())) {
            for (Item item : items()) {
                if (!isListed(item)) {
                    wrong.add(item + ": is in no table, and nothing is tried");
                }
                String result = item.tried().isEmpty() ? "" : result(item.tried(), backend, state);
                String[] expected = item.expected().split(" ", 2);
                if (!result.startsWith(expected[0]) || !result.contains(expected[expected.length - 1])) {
                    wrong.add(item + ": " + result);
                }
            }
        }
        assertThat(wrong).isEmpty();
    }

    private boolean isListed(Item item) {
        Map<String, String> table = Objects.requireNonNull(tables.get(item.section()), item.section());
        return switch (item.where()) {
            case "same" -> !item.tried().isEmpty();
            case "other" -> item.tried().isEmpty();
            default -> table.keySet().stream().anyMatch(guide -> guide.contains(item.where()));
        };
    }

    /** Tries something and returns the exit code or status, a space, and what was printed or answered, in one line. */
    private String result(String tried, ServedBackend backend, ServedBackend state)
            throws IOException, InterruptedException {
        String[] words = tried.split(" ", -1);
        String[] rest = Arrays.copyOfRange(words, 1, words.length);
        return switch (words[0]) {
            case "GET" -> line(new Client(backend.url()).get(rest[0]));
            case "OPS" -> line(new Client(backend.opsUrl()).get(rest[0]));
            case "metric" -> {
                String url = rest[0].startsWith("flk_state") ? state.url() : backend.opsUrl();
                assertThat(new Client(url).get("/metrics").body()).contains("\n" + rest[0]);
                yield "";
            }
            case "setting" -> {
                String[] setting = rest[0].split("=", 2);
                yield line(check(setting[0], with(setting[0], setting[1])));
            }
            case "file" -> {
                Path file = Files.writeString(directory.resolve("flk.properties"), rest[0]);
                yield line(check(rest[0], with("PORT", "0"), "--config", file.toString()));
            }
            case "backend" -> line(Command.ofBackend(Map.of(), rest));
            case "state" -> line(Command.ofState(Map.of(), rest));
            case "agent" -> line(Command.ofAgent(Map.of(), rest));
            case "flk" -> {
                HostProgram.Ended ended = new HostProgram(Built.root().resolve("flk"), directory).run(rest);
                yield line(new Command(ended.exitCode(), ended.output(), ""));
            }
            case "test" -> {
                assertThat(tests).contains(rest[0]);
                yield "";
            }
            default -> throw new AssertionError(tried);
        };
    }

    /** Checks a configuration with the program that has the setting. */
    private static Command check(String setting, Map<String, String> environment, String... options) {
        List<String> command = new ArrayList<>(List.of("config", "check"));
        command.addAll(List.of(options));
        String[] args = command.toArray(String[]::new);
        return setting.matches("(STATE|SESSION).*")
                ? Command.ofState(environment, args)
                : Command.ofBackend(environment, args);
    }

    private static Map<String, String> with(String name, String value) {
        Map<String, String> environment = ServedBackend.environment();
        environment.put(name, value);
        return environment;
    }

    private static String line(Command ended) {
        return (ended.exitCode() + " " + ended.all()).replaceAll("\\s+", " ");
    }

    private static String line(Answer answer) {
        return answer.status() + " " + answer.body().replaceAll("\\s+", " ");
    }
}
