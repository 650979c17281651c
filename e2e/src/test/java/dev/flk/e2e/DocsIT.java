// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static java.util.Map.entry;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.testkit.FreePort;
import dev.flk.testkit.PostgresServer;
import dev.flk.testkit.RedisServer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
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
    private static final Pattern COMMAND = Pattern.compile(
            "(?m)(?:\\./flk |flk-(?!state))(agent|backend|state)(?:\\.jar)? ([a-z]+\\b(?![./]\\w)(?: [a-z-]+)?)");
    private static final Pattern FENCE = Pattern.compile("(?ms)^```.*?^```");

    /** A row of a table of settings in the docs. */
    private static final Pattern ROW = Pattern.compile("(?m)^\\| `([A-Z0-9_]+)`");

    /** The name of a setting in a chart template, a Compose environment or the Dockerfile. */
    private static final Pattern SETTING = Pattern.compile(
            "(?m)(?:\"([A-Z][A-Z0-9_]+)\" [\"(.]|^ {6}([A-Z][A-Z0-9_]+): |^(?:ENV|   ) ([A-Z][A-Z0-9_]+)=)");

    /** The first lines of blocks that have no commands, as regular expressions that begin with the page. */
    private static final List<String> FORMATS = List.of(
            "README\\.md: (Certifying|measurements) ",
            "docs/internals/ARCHITECTURE\\.md: ",
            ".*: \\[Service]",
            "deploy/helm/flk/README\\.md: (backend|metrics):",
            "docs/agent\\.md: sources:",
            "docs/concepts\\.md: (0\\.10|\\|x|6254982)",
            "docs/copy\\.md: org\\.apache",
            "docs/diagnostics\\.md: backend$",
            ".*: (… |WARN )",
            "docs/log-care\\.md: (flk-backend: |WAL_ARCHIVE_COMMAND=|#!)",
            "docs/(operations-guide|runbooks)\\.md: (BACKEND=|PATH=|sum |count |histogram_quantile|sort\\()",
            "docs/(postgres|state/sessions)\\.md: (SELECT |SESSION_STORE=|user )",
            "docs/record-sql\\.md: (certificates|key_id|shard_id|week)",
            "docs/redis\\.md: (DEDUP_BACKEND=|redis://|port )",
            "docs/refused\\.md: import ",
            "docs/wire-format\\.md: ");

    /**
     * Commands that are not run, but must be commands of bash: regular expressions of {@code PAGE:LINE: COMMAND}, and why.
     */
    private static final Map<String, String> NOT_RUN = Map.ofEntries(
            entry("^docs/first-files\\.md", "FirstFilesIT runs them"),
            entry("^docs/copy\\.md", "needs three brokers of Kafka; CopyIT"),
            entry("^docs/scaling\\.md", "needs Kafka and HAProxy; CopyIT, SecondBackendIT"),
            entry("^docs/feeds\\.md:[0-9]+: (kafka-|.*feed replay)", "needs brokers of Kafka; FeedIT"),
            entry("^docs/feeds\\.md:[0-9]+: .*outcomes-to-postgres", "needs psycopg; FeedExampleIT"),
            entry("^deploy/(compose|docker|helm/flk)/README", "needs a container engine or Kubernetes; DeployIT"),
            entry("^deploy/README\\.md|: (cp|mkdir) .*/etc/", "installs; PackagesIT, DeployIT"),
            entry("^clients/python/README\\.md", "installs packages; PythonIT"),
            entry("^RELEASING\\.md|: mvn |^SECURITY\\.md", "the build, and programs that look at what it has built"),
            entry(
                    "^[^ ]+ (sudo|sudoedit|systemctl|journalctl|rsync|dmesg) |: date -u; timedatectl|\\| sudo ",
                    "needs root, or services of the system"),
            entry(": (openssl s_client|curl --cacert)", "needs a backend with TLS; TlsIT, AgentTlsIT"),
            entry(": redis-cli", "ends the work of a stopped backend; SharedSessionsIT"),
            entry(": \\./flk (demo|bench)|: file=docs/performance", "DemoIT, BenchIT"));

    /** Commands, of which {@code PAGE:LINE: COMMAND} is found by the key, that end with a status that the page tells. */
    private static final Map<String, String> EXITS = Map.ofEntries(
            entry("agent verify |backend explain ", "flk 1"), // not accepted
            entry("state delete agent-1 --all --if-revision 4711", "flk 1"), // no such revision
            entry("logs forget backend-1", "flk 1"), // in use
            entry("postgres check ", "flk [12]"), // a server for tests is beyond the limits
            entry("cat data/wal/inbox\\.archived", "run 1"), // nothing is archived
            entry("/v1/pcs/submit -d \\{}", "curl 400"));

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
     * Checks that every setting to which the deployment files give a value is listed in a page of settings, and that all
     * but three of the settings listed there get a value in these files or are in the chart's schema. A unit test of each
     * program checks that its page is complete.
     */
    @Test
    void deploymentFilesAndDocs_haveTheSameSettings() throws IOException {
        String settings = Files.readString(Built.root().resolve("docs/configuration.md"))
                + Files.readString(Built.root().resolve("docs/state/configuration.md"));
        List<Path> files = List.of(
                Path.of("helm/flk/templates/_server.tpl"),
                Path.of("helm/flk/templates/backend-config.yaml"),
                Path.of("helm/flk/templates/state-config.yaml"),
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
                .containsOnly("BIND_ADDR", "REDIS_ADDR", "CONTROL_SOCKET");
    }

    /** Checks the settings from which {@code ./flk health} concludes that the environment configures a backend. */
    @Test
    void settingsOnlyOfABackend_areNotSettingsOfAnAgent() throws IOException {
        String[] programs =
                Files.readString(Built.root().resolve("docs/configuration.md")).split("\n## Agent\n", 2);
        String ofState = Files.readString(Built.root().resolve("docs/state/configuration.md"));
        String script = Files.readString(Built.root().resolve("flk"));
        String settings =
                matches(Pattern.compile("backend_settings='([^']+)'"), script).get(0);
        String stateSettings =
                matches(Pattern.compile("state_settings='([^']+)'"), script).get(0);

        assertThat(settings.strip().split("\\s+"))
                .isSubsetOf(matches(ROW, programs[0]))
                .doesNotContainAnyElementsOf(matches(ROW, programs[1]));
        assertThat(stateSettings.strip().split("\\s+"))
                .isSubsetOf(matches(ROW, ofState))
                .doesNotContainAnyElementsOf(matches(ROW, String.join("", programs)));
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
        assertThat(notPassedOn(
                        Files.readString(Built.root().resolve("docs/state/configuration.md")),
                        member(services, "state")))
                .containsExactly("BIND_ADDR", "UI_URL", "TLS_CERT", "TLS_KEY", "TLS_CLIENT_CA", "REDIS_ADDR");
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

    /** Checks the commands in the text, too. */
    @Test
    void shownCommands_exist() throws IOException {
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
            Command help = words[0].equals("agent")
                    ? Command.ofAgent(Map.of(), arguments.toArray(String[]::new))
                    : words[0].equals("state")
                            ? Command.ofState(Map.of(), arguments.toArray(String[]::new))
                            : Command.ofBackend(Map.of(), arguments.toArray(String[]::new));
            // an unknown word after the program's name prints the help of the program, with exit code 0
            if (help.exitCode() != 0 || !help.out().contains("Usage: flk-" + command + " ")) {
                unknown.add(command);
            }
        }
        assertThat(unknown).isEmpty();
    }

    private static String command(MatchResult found) {
        String words = found.group(2);
        boolean isFamily = words.matches(
                "(wal|keys|config|feed|policy|dlq|outbox|outcomes|postgres|sessions|logs|sources) [a-z].*");
        return found.group(1) + " " + (isFamily ? words : words.replaceFirst(" .*", ""));
    }

    /**
     * Runs the commands of all pages on running programs, or fails for one that nobody classified: each block is in
     * {@link #FORMATS}, or has commands, and each command runs or is in {@link #NOT_RUN}.
     */
    @Test
    @Tag("thorough")
    void commandsOfPages_run() throws Exception {
        List<String> results = run(blocks());

        List<String> wrong = new ArrayList<>();
        Set<String> used = new TreeSet<>();
        for (String result : results) {
            String[] columns = result.split("\t", -1);
            if (columns[0].startsWith("not run ")) {
                used.add(columns[0].substring("not run ".length()));
            } else if (!isRight(columns[0], columns[1] + ": " + columns[2], used)) {
                wrong.add(result);
            }
        }
        assertThat(wrong).isEmpty();
        assertThat(results).filteredOn(result -> result.startsWith("flk ")).hasSizeGreaterThan(100);
        assertThat(used)
                .as("exceptions that are needed")
                .containsAll(NOT_RUN.keySet())
                .containsAll(EXITS.keySet());
    }

    /** Returns whether a command, program or request may end like this. */
    private static boolean isRight(String what, String command, Set<String> used) {
        for (Map.Entry<String, String> exit : EXITS.entrySet()) {
            if (Pattern.compile(exit.getKey()).matcher(command).find() && what.matches(exit.getValue())) {
                used.add(exit.getKey());
                return true;
            }
        }
        // 141 is SIGPIPE, when head has read enough. flk and curl have lines of their own.
        // A log may lack what a command looks for; the metrics must have it.
        boolean endsItself =
                Pattern.compile("\\./flk |curl |grep ").matcher(command).find()
                        && !command.contains("/metrics\" | grep");
        return what.matches("flk (0|141)|curl 2..|run( (0|141))+") || (endsItself && what.startsWith("run "));
    }

    /** Runs the script, and returns the lines of its results. */
    private List<String> run(Map<String, List<String>> pages) throws Exception {
        for (Map.Entry<String, List<String>> page : pages.entrySet()) {
            Files.write(directory.resolve(page.getKey().replace('/', '-') + ".page"), page.getValue());
        }
        Files.write(directory.resolve("not-run"), NOT_RUN.keySet());
        Path script = Built.root().resolve("e2e/src/test/resources/dev/flk/e2e/docs.sh");
        try (PostgresServer postgres = PostgresServer.start("shared_preload_libraries=pg_stat_statements");
                RedisServer redis = RedisServer.start(directory.resolve("redis"))) {
            List<String> settings = new ArrayList<>(List.of(
                    "PGPASSWORD=" + PostgresServer.PASSWORD,
                    "POSTGRES_PORT=" + postgres.port(),
                    "POSTGRES=" + postgres.uri(postgres.newDatabase()),
                    "REDIS=" + redis.uri()));
            for (String port : List.of(
                    "PORT",
                    "GRPC_PORT",
                    "SESSION_PORT",
                    "SHARED_PORT",
                    "SHARED_GRPC_PORT",
                    "SHARED_SESSION_PORT",
                    "OPS_PORT",
                    "INTAKE_PORT",
                    "METRICS_PORT")) {
                settings.add(port + "=" + FreePort.choose());
            }
            Files.write(directory.resolve("settings"), settings);
            Process bash = new ProcessBuilder(
                            "bash", script.toString(), Built.root().toString())
                    .directory(directory.toFile())
                    .redirectErrorStream(true)
                    .redirectOutput(directory.resolve("log").toFile())
                    .start();
            try {
                assertThat(bash.waitFor(20, TimeUnit.MINUTES)).isTrue();
                assertThat(bash.exitValue())
                        .as(Files.readString(directory.resolve("log")))
                        .isZero();
            } finally {
                bash.destroy();
                bash.waitFor();
            }
        }
        return Files.readAllLines(directory.resolve("results"));
    }

    /** Returns the blocks with commands of each page, each after a line with its place, without what is printed. */
    private static Map<String, List<String>> blocks() throws IOException {
        Map<String, List<String>> blocks = new TreeMap<>();
        for (Path page : pages()) {
            String name = Built.root().relativize(page).toString();
            List<String> lines = Files.readAllLines(page);
            String fence = null;
            List<String> block = new ArrayList<>();
            for (int i = 0; i <= lines.size(); i++) {
                String line = i < lines.size() ? lines.get(i) : "end";
                boolean isFence = line.strip().startsWith("```");
                if ((fence == null && (isIndented(line) || (line.isBlank() && !block.isEmpty())))
                        || ("```sh".equals(fence) && !isFence)) {
                    block.add(line);
                } else if (!block.isEmpty()) {
                    String place = name + ":" + (i + 1 - block.size());
                    List<String> commands = commands(block);
                    if (FORMATS.stream().noneMatch(format -> (name + ": " + commands.get(0)).matches(format + ".*"))) {
                        blocks.computeIfAbsent(name, key -> new ArrayList<>()).add('\u0001' + place);
                        blocks.get(name).addAll(commands);
                    }
                    block.clear();
                }
                if (isFence) {
                    fence = fence == null ? line.strip() : null;
                }
            }
        }
        return blocks;
    }

    private static boolean isIndented(String line) {
        return line.startsWith("    ") && !line.isBlank();
    }

    /** Returns the lines of a block without indentation, prompts and output. */
    private static List<String> commands(List<String> block) {
        String text = String.join("\n", block).stripTrailing().stripIndent();
        if (!Pattern.compile("(?m)^\\$ ").matcher(text).find()) {
            return text.lines().toList();
        }
        List<String> commands = new ArrayList<>();
        boolean continues = false;
        boolean isInput = false;
        for (String line : (text + "\n$ ").lines().toList()) {
            if (line.startsWith("$ ") && isInput) {
                commands.add("SQL");
            }
            if (line.startsWith("$ ") || continues) {
                commands.add(line.startsWith("$ ") ? line.substring(2) : line);
                continues = line.endsWith("\\");
                isInput = line.startsWith("$ psql") && !continues;
                if (isInput) {
                    commands.set(commands.size() - 1, line.substring(2) + " <<'SQL'");
                }
            } else if (isInput) {
                commands.add(line);
            }
        }
        return commands;
    }
}
