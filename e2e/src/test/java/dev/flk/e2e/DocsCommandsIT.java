// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.flk.e2e.DocsShell.Ran;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The commands of the docs, run as they stand; and the one page that is a transcript, held to what comes out. */
final class DocsCommandsIT {
    /** Programs that are not run by a test, and why. What the docs have them do with files of ours is held to those by DocsIT. */
    private static final Map<String, String> NOT_RUN = Map.ofEntries(
            Map.entry("apt-get", "changes the machine"),
            Map.entry("chown", "changes the machine"),
            Map.entry("dmesg", "is the kernel's, and not for everybody"),
            Map.entry("docker", "not on every machine"),
            Map.entry("e2e/chaos/redis-stop.sh", "RedisStopScriptIT runs it"),
            Map.entry("helm", "not on every machine"),
            Map.entry("install", "changes the machine"),
            Map.entry("journalctl", "needs systemd"),
            Map.entry("kill", "would end what other tests need"),
            Map.entry("kubectl", "not on every machine"),
            Map.entry("logrotate", "not on every machine"),
            Map.entry("mvn", "is what runs this"),
            Map.entry("pgrep", "finds backends of others"),
            Map.entry("psql", "needs Postgres: PostgresOutageIT"),
            Map.entry("redis-cli", "not on every machine"),
            Map.entry("rsync", "not on every machine"),
            Map.entry("ss", "not on every machine"),
            Map.entry("sudo", "changes the machine"),
            Map.entry("systemctl", "needs systemd"),
            Map.entry("systemd-analyze", "needs systemd"),
            Map.entry("timedatectl", "needs systemd"),
            Map.entry("top", "not on every machine"),
            Map.entry("useradd", "changes the machine"),
            Map.entry("vmstat", "not on every machine"),
            Map.entry("watch", "does not end"));

    /** Commands of ours and on files of the machine that are not run, and why. */
    private static final Map<String, String> NOT_RUN_COMMANDS = Map.ofEntries(
            Map.entry("\\./flk (demo|bench).*", "DemoIT, BenchIT"),
            Map.entry("\\./flk agent run .*", "it runs already, and does not end"),
            Map.entry("flk-agent .*", "as ./flk agent, which is run elsewhere"),
            Map.entry(
                    "(?:[A-Z_]+=\\S+ )*\\./flk backend(?: --config \\S+)?(?: [>&2].*)?",
                    "it runs already, and does not end"),
            Map.entry("\\./flk backend keys .*", "the sandbox has simple keys: KeysCommandsTest, KeysIT"),
            Map.entry("flk-backend .*", "as ./flk backend, which is run elsewhere"),
            Map.entry("JAVA_TOOL_OPTIONS=.*", "RedisTlsIT"),
            Map.entry("java .*(?:run|flk-backend\\.jar) --config .*", "it runs already, and does not end"),
            Map.entry("openssl s_client .*|curl --cacert .*", "needs a server with TLS: TlsIT"),
            Map.entry(".*waiting\\.json.*", "nothing waits in this outbox"),
            Map.entry("deploy/.*|cd .*", "needs docker"),
            Map.entry(".*127\\.0\\.0\\.1:6060.*", "the debug port is off by default"),
            Map.entry(".*[ \"]/(?:etc|opt|var|srv|mnt)/.*", "places of an installation"));

    /** Pages whose commands are run in a way of their own, or by others. */
    private static final Map<String, String> OTHER_PAGES = Map.of(
            "docs/refused.md", "a transcript, see below",
            "deploy/compose/README.md", "of containers",
            "deploy/docker/README.md", "of containers",
            "deploy/helm/flk/README.md", "of Kubernetes",
            "docs/keys.md", "of a keys file: KeysCommandsTest, KeysIT",
            "docs/log-care.md", "of a log that is damaged and repaired: LogCareIT, LogRepairIT");

    /** How commands end that do not end with 0. */
    private static final Map<String, Integer> EXITS = Map.of(
            ".*explain .*refused\\.json", 1,
            ".*agent verify .*refused\\.json", 1);

    /** What must be in the output of commands of which that is known. */
    private static final Map<String, String> OUTPUTS = Map.ofEntries(
            Map.entry(".*/readyz\"", "\"ready\":true"),
            Map.entry(".*/health\"", "200 OK"),
            Map.entry(".*wal verify.*", "whole: "),
            Map.entry(".*wal ls.*", "inbox-"),
            Map.entry(".*agent status --config agent\\.properties", "certificates"),
            Map.entry(".*agent doctor.*", "ok  settings"),
            Map.entry(".*dlq list.*", "regime"),
            Map.entry(".*explain .*refused\\.json", "401 "),
            Map.entry(".*config check --config flk.properties", "DEDUP_BACKEND"),
            Map.entry(".*wal replay .*--policy current", "otherwise by current policy"));

    /** Nothing printed is no mistake of these. */
    private static final Pattern SILENT = Pattern.compile(
            ".*(?: > .*|grep .*BACKEND_LOG.*|grep .*AGENT_LOG.*|agent outbox cat .*--waiting.*|^cp .*|^mkdir .*|^mv .*|^rm .*|^chmod .*|^umask .*)");

    private static final Pattern GREP_AT_THE_END = Pattern.compile(".*grep [^|]*");

    @TempDir
    static Path directory;

    /** A command with the place where the docs have it. */
    private record Found(String where, String line) {}

    @Test
    void commands_endAsTheyShould() throws Exception {
        Map<String, List<Found>> byPage = new LinkedHashMap<>();
        Set<String> seen = new LinkedHashSet<>();
        int skipped = 0;
        for (Markdown page : Markdown.all()) {
            if (OTHER_PAGES.containsKey(page.name())) {
                continue;
            }
            for (Markdown.Block block : page.blocks()) {
                for (String line : DocsBlock.commands(block)) {
                    String command = line.replaceAll("\\s+# .*", "").strip();
                    if (!isRun(command)) {
                        skipped++;
                    } else if (seen.add(command)) {
                        byPage.computeIfAbsent(page.name(), name -> new ArrayList<>())
                                .add(new Found(block.page().name() + ":" + block.line(), command));
                    }
                }
            }
        }
        Set<String> missing = new TreeSet<>();
        byPage.values().forEach(all -> all.removeIf(found -> needsAMissingProgram(found, missing)));
        List<String> wrong = new ArrayList<>();
        try (DocsSandbox sandbox = new DocsSandbox(Files.createDirectory(directory.resolve("sandbox")))) {
            ExecutorService pages = Executors.newFixedThreadPool(2);
            List<Future<List<String>>> results = new ArrayList<>();
            byPage.forEach(
                    (page, found) -> results.add(pages.submit(() -> runAll(sandbox, sandbox.shellOf(page), found))));
            pages.shutdown();
            for (Future<List<String>> result : results) {
                wrong.addAll(result.get());
            }
        }
        assertThat(wrong).isEmpty();
        assertThat(seen).hasSizeGreaterThan(30);
        assertThat(skipped).as("listed as not run").isLessThan(seen.size() * 2);
        assumeTrue(missing.isEmpty(), "the other commands are as they should be; not on the PATH: " + missing);
    }

    private static boolean needsAMissingProgram(Found found, Set<String> missing) {
        List<String> here = ShellCommand.of(found.line).calls().stream()
                .map(ShellCommand.Call::program)
                .filter(program -> !program.contains("/") && onPath(program).isEmpty())
                .toList();
        missing.addAll(here);
        return !here.isEmpty();
    }

    private static boolean isRun(String command) {
        return !command.contains("…")
                && NOT_RUN_COMMANDS.keySet().stream().noneMatch(command::matches)
                && ShellCommand.of(command).calls().stream()
                        .noneMatch(call -> NOT_RUN.containsKey(call.program())
                                || call.words().contains("$(pgrep"))
                && !command.contains("$(pgrep");
    }

    private static List<String> runAll(DocsSandbox sandbox, DocsShell shell, List<Found> all) throws Exception {
        List<String> wrong = new ArrayList<>();
        for (Found found : all) {
            String command = sandbox.settled(found.line);
            if (command.matches(".*wal (?:compact|repair) .*")) {
                String copy = "stopped-" + Integer.toHexString(found.line.hashCode());
                sandbox.copyTheLog(shell.directory().resolve(copy));
                command = "WAL_DIR=" + copy + " " + command;
            }
            Ran ran = shell.run(command, sandbox.variables());
            int expected = EXITS.entrySet().stream()
                    .filter(exit -> found.line.matches(exit.getKey()))
                    .map(Map.Entry::getValue)
                    .findFirst()
                    .orElse(0);
            boolean mayFindNothing =
                    GREP_AT_THE_END.matcher(found.line).matches() && found.line.contains("_LOG") && ran.exitCode() == 1;
            if (ran.exitCode() != expected && !mayFindNothing) {
                wrong.add(found + " ended with " + ran);
            }
            OUTPUTS.entrySet().stream()
                    .filter(output -> !found.line.contains(" > ")
                            && found.line.matches(output.getKey())
                            && !(ran.out() + ran.err()).contains(output.getValue()))
                    .forEach(output -> wrong.add(found + " printed no " + output.getValue() + " but " + ran));
            if (ran.out().isBlank()
                    && ran.err().isBlank()
                    && !SILENT.matcher(found.line).matches()) {
                wrong.add(found + " printed nothing");
            }
        }
        return wrong;
    }

    /** {@code docs/refused.md} from its beginning to its end, in one directory; an ellipsis stands for anything. */
    @Test
    void refusedMd_isWhatComesOut() throws Exception {
        for (String program : List.of("python3", "jq", "openssl")) {
            assumeTrue(onPath(program).isPresent(), "docs/refused.md is not tried out: no " + program + " on the PATH");
        }
        Markdown page = Markdown.read(Built.root().resolve("docs/refused.md"));
        List<String> wrong = new ArrayList<>();
        Path own = Files.createDirectory(directory.resolve("refused"));
        page.blocks().stream()
                .filter(block -> block.lines().get(0).startsWith("import "))
                .forEach(block -> write(own.resolve("sign.py"), block.text() + "\n"));
        DocsShell shell = DocsShell.in(own);
        for (Markdown.Block block : page.blocks()) {
            if (DocsBlock.kind(block) == DocsBlock.Kind.COMMANDS) {
                for (String command : DocsBlock.commands(block)) {
                    assertThat(shell.run(command, Map.of()).exitCode())
                            .as(command)
                            .isZero();
                }
            } else if (DocsBlock.kind(block) == DocsBlock.Kind.SESSION) {
                wrong.addAll(replay(shell, block.lines()));
            }
        }
        assertThat(wrong).isEmpty();
    }

    private static List<String> replay(DocsShell shell, List<String> lines) throws Exception {
        List<String> wrong = new ArrayList<>();
        for (int at = 0; at < lines.size(); ) {
            int end = at + 1;
            while (end < lines.size() && !lines.get(end).startsWith("$ ")) {
                end++;
            }
            Ran ran = shell.run(lines.get(at).substring(2), Map.of());
            String expected = String.join("\n", lines.subList(at + 1, end)).strip();
            String printed = (ran.err() + ran.out()).strip();
            if (!printed.matches("(?s)" + Pattern.quote(expected).replace("…", "\\E.*\\Q"))) {
                wrong.add(lines.get(at) + " printed\n" + printed + "\nand not\n" + expected);
            }
            at = end;
        }
        return wrong;
    }

    private static void write(Path file, String text) {
        try {
            Files.writeString(file, text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Optional<Path> onPath(String program) {
        return Stream.of(System.getenv("PATH").split(File.pathSeparator))
                .map(each -> Path.of(each, program))
                .filter(Files::isExecutable)
                .findFirst();
    }
}
