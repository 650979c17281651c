// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** The docs, read against the programs: links, commands and their options, settings, metrics, queries, and what the programs say. */
final class DocsIT {
    private static final Pattern METRIC = Pattern.compile("(?<![a-z:/_-])flk_[a-z0-9_]*[a-z0-9](?![a-z_:*]|…)");
    private static final Pattern METRICS = Pattern.compile("flk_\\(([a-z_|]+)\\)");
    private static final Pattern SETTING =
            Pattern.compile("(?<![A-Za-z0-9_$-])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?![A-Za-z0-9_…*])");
    private static final Pattern OPTION = Pattern.compile("(?<![^\\s`\\[])--[a-z][a-z-]+");
    private static final Pattern OWN_FILE =
            Pattern.compile("(?<![A-Za-z0-9/._~$-])(?:deploy|docs|alerts|e2e|demo)/[A-Za-z0-9/._-]*[A-Za-z0-9_*]");
    private static final Pattern TEST_CLASS = Pattern.compile("(?:[A-Z][a-z]+)+(?:IT|Test)");
    private static final Pattern PHRASE = Pattern.compile("\\p{L}.*\\s.*");
    private static final Pattern LOG_ROW = Pattern.compile("\\| `([^`]+)` \\| (ERROR|WARN|INFO) \\|.*");
    private static final Pattern METRICS_PORT = Pattern.compile("metrics on port ([0-9]+)");

    /** Names in capitals that are no settings of the programs. */
    private static final Set<String> OTHER_NAMES = Set.of(
            "BACKEND_LOG",
            "PCS_ID",
            "REDIS_URL",
            "JAVA_TOOL_OPTIONS",
            "JAVA_HOME",
            "PROMETHEUS_URL",
            "YYYYMMDD",
            "TLS_CA");

    /** Programs that are no part of this; what the docs say of them is theirs. */
    private static final Set<String> OTHER_PROGRAMS = Set.of(
            "umask",
            "apt-get",
            "awk",
            "base64",
            "cat",
            "cd",
            "chmod",
            "chown",
            "cp",
            "curl",
            "date",
            "df",
            "dmesg",
            "docker",
            "du",
            "echo",
            "free",
            "grep",
            "gzip",
            "head",
            "helm",
            "install",
            "java",
            "jcmd",
            "journalctl",
            "jps",
            "jfr",
            "jq",
            "jstack",
            "kill",
            "kubectl",
            "ls",
            "mkdir",
            "mv",
            "mvn",
            "openssl",
            "pgrep",
            "pkill",
            "printf",
            "promtool",
            "ps",
            "psql",
            "python3",
            "redis-cli",
            "redis-server",
            "rm",
            "rsync",
            "sed",
            "sha256sum",
            "sort",
            "ss",
            "sudo",
            "systemctl",
            "systemd-analyze",
            "systemd-run",
            "tail",
            "tar",
            "tee",
            "test",
            "timedatectl",
            "timeout",
            "top",
            "touch",
            "uniq",
            "useradd",
            "vmstat",
            "watch",
            "wc",
            "xargs",
            "yamllint",
            "zcat",
            "ulimit",
            "ln",
            "chronyc",
            "logrotate",
            "amtool",
            "sync");

    /** What stands in back quotes, has a space in it, and is said by others or is no message. */
    private static final Set<String> NOT_OURS = Set.of(
            "X-Flk-Duplicate: true",
            "X-Flk-Conflict: true",
            "Retry-After: 1",
            "100 Continue",
            "No space left on device",
            "Input/output error",
            "Read-only file system",
            "File too large",
            "MEMORY USAGE",
            "Math.round(x * 1e9) / 1e9",
            "round(float(x), 9)",
            "json.dumps(payload, sort_keys=True, separators=(\",\", \":\"))",
            "pcs_id status expires_at_millis content_digest signed_digest",
            "<complete up to> <incarnation> <counter>",
            "inbox-YYYYMMDD-<first sequence>.wal",
            "show ID",
            "flk1 ");

    /** Settings of Redis and Postgres, as their own manuals have them. */
    private static final Pattern SETTING_OF_OTHERS = Pattern.compile(
            "(?:appendonly|appendfsync|maxmemory-policy|min-replicas-[a-z-]+|tls-auth-clients) .*|flk:position:.*");

    /** Pages about the code: what stands there in back quotes is code. */
    private static final Set<String> ABOUT_CODE =
            Set.of("docs/ARCHITECTURE.md", "docs/RATIONALE.md", "docs/performance.md", "CONTRIBUTING.md");

    /** Blocks that are nothing that is checked here: by their page and how they begin, with the reason. */
    private static final Map<String, String> SAMPLES = Map.ofEntries(
            Map.entry("README.md A backend with a fresh key", "printed by ./flk demo: DemoIT"),
            Map.entry("README.md measurements", "a drawing"),
            Map.entry("docs/ARCHITECTURE.md", "maps"),
            Map.entry("deploy/README.md [", "parts of a unit of systemd"),
            Map.entry("docs/agent.md AgentBacklogIT, -Xmx64m", "printed by that test"),
            Map.entry("docs/durability.md 68.3 s", "printed by redis-stop.sh: RedisStopScriptIT"),
            Map.entry("docs/audit.md 2026-11-21T03:20:11.482Z  key_revoked", "printed by 'audit': AuditIT"),
            Map.entry(
                    "docs/keys.md … INFO  /etc/flk-backend/keys.json was read again",
                    "lines of the log: ReloadedKeysTest"),
            Map.entry("docs/keys.md … ERROR Signature verification failed for", "a line of the log: KeysPipelineTest"),
            Map.entry("docs/tls.md … INFO  TLS_CERT, ", "lines of the log: ReloadedTlsTest, TlsIT"),
            Map.entry("docs/tls.md … WARN  TLS handshake failed", "a line of the log: TlsTest, TlsIT"),
            Map.entry("docs/overload.md … WARN  held back (shard): shard plant-7", "a line of the log: FairnessIT"),
            Map.entry("docs/overload.md overload, MAX_REQUESTS", "printed by OverloadIT"),
            Map.entry("docs/postgres.md SELECT ", "SQL"),
            Map.entry("docs/redis.md redis://host:6379", "forms of a URI"),
            Map.entry("docs/redis.md port 7399", "configuration of Redis"),
            Map.entry("docs/refused.md import base64", "sign.py, which DocsCommandsIT runs"),
            Map.entry("docs/operations-guide.md BACKEND=", "what the commands of that page expect"),
            Map.entry("docs/troubleshooting.md BACKEND=", "what the commands of that page expect"),
            Map.entry("docs/runbooks.md BACKEND=", "what the commands of that page expect"),
            Map.entry("docs/wire-format.md ", "formats, which golden files and tests of wal pin"));

    @RegisterExtension
    static final RunningBackend backend = RunningBackend.with(Map.of(), Program.QUICK_START.toArray(String[]::new));

    @TempDir
    static Path directory;

    private static List<Markdown> pages;
    private static CommandHelp help;
    private static MessageTemplates messages;
    private static Set<String> settings;
    private static Exposed exposed;

    @BeforeAll
    static void read() throws Exception {
        pages = Markdown.all();
        help = new CommandHelp();
        messages = MessageTemplates.ofTheProduct();
        settings = new TreeSet<>();
        Pattern inHelp = Pattern.compile("[A-Z][A-Z0-9_]+");
        inHelp.matcher(help.of("agent", List.of()))
                .results()
                .map(MatchResult::group)
                .forEach(settings::add);
        try (Program check = Program.java(
                "flk-backend", directory, BackendProcess.environment(), Program.QUICK_START, "config", "check")) {
            assertThat(check.awaitExit()).isZero();
            check.out().lines().map(line -> line.split(" ", 2)[0]).forEach(settings::add);
        }
        exposed = Exposed.of(backend.client().get("/metrics").body()).and(Exposed.of(agentMetrics()));
    }

    private static String agentMetrics() throws Exception {
        AgentHome home = AgentHome.in(directory);
        Map<String, String> environment = home.sendingTo(backend.process().url());
        environment.put("METRICS_PORT", "0");
        try (Program agent = home.start(environment, "run")) {
            Matcher port = METRICS_PORT.matcher(
                    agent.awaitLine(text -> METRICS_PORT.matcher(text).find()));
            assertThat(port.find()).isTrue();
            return new Client("http://127.0.0.1:" + port.group(1))
                    .get("/metrics")
                    .body();
        }
    }

    @AfterAll
    static void close() throws Exception {
        help.close();
    }

    @Test
    void links_leadToFilesAndHeadingsThatAreThere() throws IOException {
        List<String> broken = new ArrayList<>();
        Map<Path, Markdown> known = new HashMap<>();
        for (Markdown page : pages) {
            for (String link : page.links()) {
                if (link.matches("[a-z]+:.*")) {
                    continue;
                }
                String[] parts = link.split("#", 2);
                Path target = parts[0].isEmpty()
                        ? page.file()
                        : page.file().resolveSibling(parts[0]).normalize();
                if (!Files.exists(target)) {
                    broken.add(page.name() + ": " + link);
                } else if (parts.length > 1) {
                    if (!known.containsKey(target)) {
                        known.put(target, Markdown.read(target));
                    }
                    if (!known.get(target).anchors().contains(parts[1])) {
                        broken.add(page.name() + ": " + link);
                    }
                }
            }
        }
        assertThat(broken).isEmpty();
    }

    @Test
    void filesAndTests_areThere() throws IOException {
        Set<String> classes = new TreeSet<>();
        try (Stream<Path> files = Files.walk(Built.root())) {
            files.filter(file -> file.toString().matches(".*/src/test/java/.*\\.java"))
                    .forEach(file -> classes.add(file.getFileName().toString().replace(".java", "")));
        }
        List<String> missing = new ArrayList<>();
        for (Markdown page : pages) {
            OWN_FILE.matcher(page.text())
                    .results()
                    .map(MatchResult::group)
                    .filter(name -> !name.contains("*")
                            && !name.startsWith("e2e/target")
                            && !name.startsWith("deploy/compose/secrets/")
                            && !Files.exists(Built.root().resolve(name)))
                    .forEach(name -> missing.add(page.name() + ": " + name));
            page.quotes().stream()
                    .map(Markdown.Quote::text)
                    .filter(quote -> TEST_CLASS.matcher(quote).matches() && !classes.contains(quote))
                    .forEach(quote -> missing.add(page.name() + ": " + quote));
        }
        assertThat(missing).isEmpty();
    }

    @Test
    void everyBlock_isKnownForWhatItIs() {
        List<String> unknown = new ArrayList<>();
        Map<DocsBlock.Kind, Integer> found = new HashMap<>();
        for (Markdown page : pages) {
            for (Markdown.Block block : page.blocks()) {
                DocsBlock.Kind kind = DocsBlock.kind(block);
                found.merge(kind, 1, Integer::sum);
                if (kind == DocsBlock.Kind.SAMPLE
                        && SAMPLES.keySet().stream()
                                .noneMatch((page.name() + " "
                                        + block.lines().get(0).strip())::startsWith)) {
                    unknown.add(block.toString());
                }
            }
        }
        assertThat(unknown).isEmpty();
        assertThat(found).containsKeys(DocsBlock.Kind.values());
    }

    @Test
    void jsonAndYaml_canBeRead() throws IOException {
        for (Markdown page : pages) {
            for (Markdown.Block block : page.blocks()) {
                switch (DocsBlock.kind(block)) {
                    case JSON -> readJson(block);
                    case YAML ->
                        assertThat(new YAMLMapper().readTree(block.text()))
                                .as(block.toString())
                                .isNotEmpty();
                    default -> {}
                }
            }
        }
    }

    /** One value over several lines, or one a line. */
    private static void readJson(Markdown.Block block) {
        if (block.lines().get(0).endsWith("}")) {
            block.lines().stream()
                    .filter(line -> !line.isBlank() && !line.contains("…"))
                    .forEach(StrictJson::read);
        } else {
            StrictJson.read(block.text());
        }
    }

    @Test
    void queries_askForWhatThereIs() throws IOException {
        AlertRules rules = AlertRules.read(Built.root().resolve("alerts/flk.rules.yaml"));
        Exposed known = exposed.andRecorded(rules.recorded());
        List<String> missing = new ArrayList<>();
        int queries = 0;
        for (Markdown page : pages) {
            for (Markdown.Block block : page.blocks()) {
                if (DocsBlock.kind(block) == DocsBlock.Kind.QUERIES) {
                    for (String query : DocsBlock.queries(block)) {
                        queries++;
                        Promql.read(query).missingFrom(known).forEach(what -> missing.add(block + ": " + what));
                    }
                }
            }
        }
        assertThat(missing).isEmpty();
        assertThat(queries).isGreaterThan(15);
    }

    @Test
    void metrics_areExposed() {
        Set<String> missing = new TreeSet<>();
        for (Markdown page : pages) {
            metricsIn(page.text())
                    .filter(name -> !exposed.hasFamily(name)
                            && !exposed.types().containsKey(name)
                            && !POSTGRES_TABLES.contains(name))
                    .forEach(name -> missing.add(page.name() + ": " + name));
        }
        assertThat(missing).isEmpty();
    }

    private static final Set<String> POSTGRES_TABLES =
            Set.of("flk_outcomes", "flk_positions", "flk_evidence", "flk_schema_history");

    /** Also {@code flk_wal_bytes} of {@code flk_(wal_bytes|dedup_up)}, as grep has it. */
    private static Stream<String> metricsIn(String text) {
        return Stream.concat(
                METRIC.matcher(text).results().map(MatchResult::group),
                METRICS.matcher(text)
                        .results()
                        .flatMap(choice -> Stream.of(choice.group(1).split("[|]")))
                        .map(name -> "flk_" + name));
    }

    @Test
    void settings_areThoseOfTheTwoPrograms() {
        Set<String> unknown = new TreeSet<>();
        for (Markdown page : pages) {
            SETTING.matcher(ABOUT_CODE.contains(page.name()) ? "" : page.text())
                    .results()
                    .map(MatchResult::group)
                    .filter(name -> !isKnown(name))
                    .forEach(name -> unknown.add(page.name() + ": " + name));
        }
        assertThat(unknown).isEmpty();
        assertThat(settings).contains("TOKEN_RATE", "SPOOL_DIR", "REDIS_URI", "OUTBOX_PATH");
    }

    private static boolean isKnown(String name) {
        return settings.contains(name)
                || OTHER_NAMES.contains(name)
                || (name.endsWith("_FILE") && settings.contains(name.substring(0, name.length() - "_FILE".length())));
    }

    @Test
    void commands_areThoseOfTheirProgramsAndHaveTheseOptions() {
        List<String> wrong = new ArrayList<>();
        int calls = 0;
        for (Markdown page : pages) {
            for (Markdown.Block block : page.blocks()) {
                for (String line : DocsBlock.commands(block)) {
                    calls += check(block.toString(), line, wrong);
                }
            }
            for (Markdown.Quote quote : page.quotes()) {
                if (DocsBlock.isCommand(quote.text())) {
                    calls += check(quote.toString(), quote.text(), wrong);
                } else if (OPTION.matcher(quote.text()).lookingAt()) {
                    checkOption(quote, wrong);
                }
            }
        }
        assertThat(wrong).isEmpty();
        assertThat(calls).isGreaterThan(60);
    }

    private static int check(String where, String line, List<String> wrong) {
        ShellCommand command = ShellCommand.of(line);
        for (ShellCommand.Call call : command.calls()) {
            String program = call.program();
            boolean ofTheProject = program.startsWith("./") || DocsBlock.isOfTheProject(program);
            if (ofTheProject
                    && !Files.isExecutable(Built.root().resolve(program).normalize())) {
                wrong.add(where + ": no " + program);
            } else if (!ofTheProject
                    && !program.matches("(?:flk|flk-backend|flk-agent)")
                    && !OTHER_PROGRAMS.contains(program)) {
                wrong.add(where + ": the program " + program);
            }
        }
        List<ShellCommand.Ours> ours = command.ours();
        ours.forEach(each -> check(where, each, wrong));
        return ours.size();
    }

    private static void check(String where, ShellCommand.Ours call, List<String> wrong) {
        List<String> words = new ArrayList<>();
        List<String> left = new ArrayList<>(call.arguments());
        while (!left.isEmpty() && help.hasCommand(call.program(), words, left.get(0))) {
            words.add(left.remove(0));
        }
        boolean hasCommands = help.of(call.program(), words).contains("\nCommands:");
        if (hasCommands && !left.isEmpty() && left.get(0).matches("[a-z]+")) {
            wrong.add(where + ": " + call.program() + " has no " + left.get(0));
        }
        left.stream()
                .map(word -> word.replaceAll("[\\[\\]]", "").replaceAll("=.*", ""))
                .filter(word -> word.startsWith("--") && !help.hasOption(call.program(), words, word))
                .forEach(word -> wrong.add(where + ": no " + word));
    }

    /** An option alone, which some command must have. */
    private static void checkOption(Markdown.Quote quote, List<String> wrong) {
        String option = quote.text().split("[ =]", 2)[0];
        boolean known = Stream.of("backend", "agent").anyMatch(program -> has(program, List.of(), option));
        boolean ofOthers =
                quote.text().startsWith("--storage.tsdb") || quote.page().name().contains("deploy/");
        if (!known && !ofOthers && !ABOUT_CODE.contains(quote.page().name())) {
            wrong.add(quote + ": no command has it");
        }
    }

    private static boolean has(String program, List<String> words, String option) {
        if (help.hasOption(program, words, option)) {
            return true;
        }
        String text = help.of(program, words);
        int commands = text.indexOf("\nCommands:");
        return commands >= 0
                && Pattern.compile("(?m)^  ([a-z]+) ")
                        .matcher(text.substring(commands))
                        .results()
                        .anyMatch(each -> has(
                                program,
                                Stream.concat(words.stream(), Stream.of(each.group(1)))
                                        .toList(),
                                option));
    }

    @Test
    void phrases_areSaidByThePrograms() {
        List<String> unknown = new ArrayList<>();
        int phrases = 0;
        for (Markdown page : pages) {
            if (ABOUT_CODE.contains(page.name()) || page.name().startsWith("deploy/")) {
                continue;
            }
            for (Markdown.Quote quote : page.quotes()) {
                if (!isPhrase(quote.text())) {
                    continue;
                }
                phrases++;
                if (!messages.has(quote.text())) {
                    unknown.add(quote.toString());
                }
            }
        }
        assertThat(unknown).isEmpty();
        assertThat(phrases).isGreaterThan(40);
    }

    /** Whether it is something that a program may say: several words, and nothing else that is checked. */
    private static boolean isPhrase(String quote) {
        return PHRASE.matcher(quote).matches()
                && !NOT_OURS.contains(quote)
                && !SETTING_OF_OTHERS.matcher(quote).matches()
                && !DocsBlock.isCommand(quote)
                && !isBareCommand(quote)
                && !quote.matches("(?:GET|POST|HEAD) /.*|[A-Z_]+=.*|cause=.*|flk_.*|[0-9*]+ .*|SELECT .*");
    }

    /** {@code dlq list}, without the program. */
    private static boolean isBareCommand(String quote) {
        String[] words = quote.split("[ \\[]", -1);
        return Stream.of("backend", "agent")
                .anyMatch(program -> help.hasCommand(program, List.of(), words[0])
                        && (!words[1].matches("[a-z]+") || help.hasCommand(program, List.of(words[0]), words[1])));
    }

    @Test
    void phrasesThatGrepLooksFor_areSaidByThePrograms() {
        List<String> unknown = new ArrayList<>();
        int patterns = 0;
        for (Markdown page : pages) {
            for (String line : page.blocks().stream()
                    .flatMap(block -> DocsBlock.commands(block).stream())
                    .toList()) {
                for (ShellCommand.Call call : ShellCommand.of(line).calls()) {
                    if (!call.program().equals("grep")) {
                        continue;
                    }
                    String pattern = call.words().stream()
                            .skip(1)
                            .filter(word -> !word.startsWith("-"))
                            .findFirst()
                            .orElse("");
                    for (String choice : pattern.split("[|]", -1)) {
                        if (PHRASE.matcher(choice.strip()).matches()) {
                            patterns++;
                            if (!messages.has(choice)) {
                                unknown.add(page.name() + ": " + choice);
                            }
                        }
                    }
                }
            }
        }
        assertThat(unknown).isEmpty();
        assertThat(patterns).isGreaterThan(5);
    }

    /** Rows {@code | `phrase` | LEVEL | …}. */
    @Test
    void tablesOfLogLines_haveTheLevelAtWhichEachIsLogged() {
        List<String> wrong = new ArrayList<>();
        int rows = 0;
        for (Markdown page : pages) {
            for (String line : page.text().lines().toList()) {
                Matcher row = LOG_ROW.matcher(line);
                if (row.matches()) {
                    rows++;
                    if (!messages.logs(row.group(1), row.group(2).toLowerCase(java.util.Locale.ROOT))) {
                        wrong.add(page.name() + ": " + row.group(1) + " is not logged as " + row.group(2));
                    }
                }
            }
        }
        assertThat(wrong).isEmpty();
        assertThat(rows).isGreaterThan(0);
    }

    @Test
    void messageTemplates_knowWhatIsSaidAndNothingElse() {
        MessageTemplates some = MessageTemplates.of("""
                LOG.warn("{} is back after {} s", name, seconds);
                throw new Error("no room: " + left + " of " + all + " bytes, see \\"x\\"");
                // "a comment"
                """);
        assertThat(List.of(
                        "Redis is back after 3 s", "is back after", "Redis is back after … s", "no room: 3 of 9 bytes"))
                .allMatch(some::has);
        assertThat(List.of("Redis has returned", "a comment", "no place: 3 of 9 bytes", "is back soon"))
                .noneMatch(some::has);
        assertThat(some.logs("is back after", "warn")).isTrue();
        assertThat(some.logs("is back after", "error")).isFalse();
    }
}
