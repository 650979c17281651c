// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.yaml.snakeyaml.Yaml;

/**
 * Tests of the docs: the targets of links exist, and so do the tests and commands that the docs name; the deployment
 * files have the settings that the docs list.
 */
final class DocsIT {
    private static final Pattern LINK = Pattern.compile("]\\(([^)\\s]+)\\)");
    private static final Pattern TEST = Pattern.compile("`([A-Z][a-z][A-Za-z0-9]+(?:Test|IT))`");
    private static final Pattern COMMAND =
            Pattern.compile("(?m)(?:\\./flk |flk-)(agent|backend)(?:\\.jar)? ([a-z]+\\b(?![./]\\w)(?: [a-z-]+)?)");
    private static final Pattern FENCE = Pattern.compile("(?ms)^```.*?^```");

    /** A row of a table of settings in the docs. */
    private static final Pattern ROW = Pattern.compile("(?m)^\\| `([A-Z0-9_]+)`");

    /** The name of a setting in a chart template, a Compose environment or the Dockerfile. */
    private static final Pattern SETTING = Pattern.compile(
            "(?m)(?:\"([A-Z][A-Z0-9_]+)\" [\"(.]|^ {6}([A-Z][A-Z0-9_]+): |^(?:ENV|   ) ([A-Z][A-Z0-9_]+)=)");

    @TempDir
    private Path directory;

    private static List<Path> pages() throws IOException {
        try (Stream<Path> files = Files.walk(Built.root(), 4)) {
            return files.filter(file -> file.toString().endsWith(".md"))
                    .filter(file -> !file.toString().contains("/target/"))
                    .toList();
        }
    }

    private static List<String> matches(Pattern pattern, String text) {
        return pattern.matcher(text).results().map(found -> found.group(1)).toList();
    }

    /**
     * Checks that every setting to which the deployment files give a value is listed in {@code docs/configuration.md},
     * and that all but three of the settings listed there get a value in these files or are in the chart's schema. A
     * unit test of each program checks that this page is complete.
     */
    @Test
    void deploymentFilesAndDocs_haveTheSameSettings() throws IOException {
        String settings = Files.readString(Built.root().resolve("docs/configuration.md"));
        List<Path> files = List.of(
                Path.of("helm/flk/templates/backend-config.yaml"),
                Path.of("helm/flk/templates/_agent.tpl"),
                Path.of("helm/flk/templates/agent-config.yaml"),
                Path.of("compose/compose.yaml"),
                Path.of("docker/Dockerfile"));
        List<String> named = new ArrayList<>();
        for (Path file : files) {
            String text = Files.readString(Built.root().resolve("deploy").resolve(file));
            for (MatchResult found : SETTING.matcher(text).results().toList()) {
                String name = Stream.of(1, 2, 3)
                        .map(found::group)
                        .filter(Objects::nonNull)
                        .findFirst()
                        .orElseThrow();
                if (!name.startsWith("GF_") && !name.equals("PROMETHEUS_URL")) { // settings of Grafana
                    named.add(
                            name.matches("(KEYS|SOURCES|STATE_TOKENS)_FILE") ? name : name.replaceFirst("_FILE$", ""));
                }
            }
        }
        assertThat(named).contains("WAL_DIR", "OUTBOX_PATH", "DEDUP_BACKEND", "PCS_HMAC_KEY");
        assertThat(named).allMatch(name -> settings.contains("`" + name + "`"));

        // the chart rejects values that are not in its schema, so a setting must be in a template or in the schema;
        // these three settings are not needed in a pod
        String schema = Files.readString(Built.root().resolve("deploy/helm/flk/values.schema.json"));
        List<String> all =
                ROW.matcher(settings).results().map(row -> row.group(1)).toList();
        assertThat(all).hasSizeGreaterThan(60);
        assertThat(all)
                .filteredOn(name -> !named.contains(name)
                        && !schema.contains('"' + name + '"')
                        && !schema.contains('"' + name + "_FILE\""))
                .containsExactly("BIND_ADDR", "REDIS_ADDR", "CONTROL_SOCKET");
    }

    /** Checks the settings from which {@code ./flk health} concludes that the environment configures a backend. */
    @Test
    void settingsOnlyOfABackend_areNotSettingsOfAnAgent() throws IOException {
        String[] programs =
                Files.readString(Built.root().resolve("docs/configuration.md")).split("\n## Agent\n", 2);
        String script = Files.readString(Built.root().resolve("flk"));
        String settings =
                matches(Pattern.compile("backend_settings='([^']+)'"), script).get(0);

        assertThat(settings.strip().split("\\s+"))
                .isSubsetOf(matches(ROW, programs[0]))
                .doesNotContainAnyElementsOf(matches(ROW, programs[1]));
    }

    /** Checks that Compose passes on every setting, except addresses and files inside the container. */
    @Test
    void compose_passesAllSettings() throws IOException {
        String[] programs =
                Files.readString(Built.root().resolve("docs/configuration.md")).split("\n## Agent\n", 2);
        Map<String, Object> services = member(
                new Yaml().load(Files.readString(Built.root().resolve("deploy/compose/compose.yaml"))), "services");

        assertThat(notPassedOn(programs[0], member(services, "backend")))
                .containsExactly("BIND_ADDR", "TLS_CERT", "TLS_KEY", "TLS_CLIENT_CA", "REDIS_ADDR");
        assertThat(notPassedOn(programs[1], member(services, "agent")))
                .containsExactly("TLS_CA", "TLS_CERT", "TLS_KEY", "CONTROL_SOCKET");
    }

    private static List<String> notPassedOn(String table, Map<String, Object> service) {
        Map<String, Object> environment = member(service, "environment");
        return matches(ROW, table).stream()
                .filter(name -> !environment.containsKey(name) && !environment.containsKey(name + "_FILE"))
                .toList();
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> member(Map<String, Object> of, String name) {
        return (Map<String, Object>) Objects.requireNonNull(of.get(name), name);
    }

    @Test
    void links_pointToExistingFilesAndHeadings() throws IOException {
        List<String> broken = new ArrayList<>();
        for (Path page : pages()) {
            for (String link : matches(LINK, Files.readString(page))) {
                if (link.matches("[a-z]+:.*")) {
                    continue;
                }
                String[] parts = link.split("#", 2);
                Path target = parts[0].isEmpty() ? page : page.resolveSibling(parts[0]);
                if (!Files.exists(target)
                        || (parts.length > 1 && !anchors(target).contains(parts[1]))) {
                    broken.add(page + ": " + link);
                }
            }
        }
        assertThat(broken).isEmpty();
    }

    private static List<String> anchors(Path page) throws IOException {
        return FENCE.matcher(Files.readString(page))
                .replaceAll("")
                .lines()
                .filter(line -> line.startsWith("#"))
                .map(line -> line.replaceFirst("#+ +", "")
                        .toLowerCase(Locale.ROOT)
                        .replaceAll("[^\\p{L}\\p{N} _-]", "")
                        .replace(' ', '-'))
                .toList();
    }

    @Test
    void namedTests_exist() throws IOException {
        TreeSet<String> named = new TreeSet<>();
        for (Path page : pages()) {
            named.addAll(matches(TEST, Files.readString(page)));
        }
        try (Stream<Path> files = Files.walk(Built.root())) {
            named.removeAll(files.map(file -> file.getFileName().toString())
                    .filter(name -> name.endsWith(".java"))
                    .map(name -> name.replace(".java", ""))
                    .collect(Collectors.toSet()));
        }
        assertThat(named).isEmpty();
    }

    @Test
    @Tag("thorough")
    void shownCommands_exist() throws Exception {
        TreeSet<String> shown = new TreeSet<>();
        for (Path page : pages()) {
            COMMAND.matcher(Files.readString(page))
                    .results()
                    .map(DocsIT::command)
                    .forEach(shown::add);
        }
        assertThat(shown).hasSizeGreaterThan(20);
        List<String> unknown = new ArrayList<>();
        for (String command : shown) {
            String[] words = command.split(" ", -1);
            List<String> arguments = new ArrayList<>(List.of(words).subList(1, words.length));
            arguments.add("--help");
            try (Program help = Program.java(
                    "flk-" + words[0], directory, Map.of(), Program.QUICK_START, arguments.toArray(String[]::new))) {
                // an unknown word after the program's name prints the help of the program, with exit code 0
                String usage = "Usage: flk-" + command + " ";
                if (help.awaitExit() != 0 || !help.out().contains(usage)) {
                    unknown.add(command);
                }
            }
        }
        assertThat(unknown).isEmpty();
    }

    private static String command(MatchResult found) {
        String words = found.group(2);
        boolean isFamily = words.matches(
                "(wal|keys|config|feed|policy|dlq|outbox|outcomes|postgres|review|sessions|logs|sources) [a-z].*");
        return found.group(1) + " " + (isFamily ? words : words.replaceFirst(" .*", ""));
    }
}
