// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.testkit.Starts;
import dev.flk.testkit.Starts.Started;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Runs the commands of {@code docs/first-files.md} in their order, and compares what they print with the page. In an
 * indented block, a line after {@code $} is a command whose output follows, in which {@code ...} stands for any lines.
 * The lines before it are commands whose output is not shown.
 */
@Tag("thorough")
final class FirstFilesIT {
    private static final Pattern LISTENS = Pattern.compile("listening on 127\\.0\\.0\\.1 port (\\d+)");
    private static final Pattern KEEPS_RUNNING = Pattern.compile("./flk (?:backend|agent run) --config \\S+$");
    private static final Duration PATIENCE = Duration.ofMinutes(2);

    /** What differs from run to run. */
    private static final String VARYING = "process \\d+|\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d(?= )";

    private record Step(String command, List<String> output) {}

    @TempDir
    private Path temporary;

    private final List<Process> running = new ArrayList<>();
    private Path clone;
    private Path home;
    private String port = "";

    @BeforeEach
    void copyWhatTheCommandsNeed() throws IOException {
        home = Files.createDirectory(temporary.resolve("home"));
        clone = Files.createDirectories(temporary.resolve("clone"));
        List<Path> files = new ArrayList<>(List.of(Path.of("flk"), Path.of("deploy/class-archive")));
        for (String name : List.of("backend", "agent")) {
            files.add(Built.root().relativize(Built.jar("flk-" + name)));
        }
        try (Stream<Path> samples = Files.list(Built.root().resolve("examples/first-files"))) {
            samples.map(Built.root()::relativize).forEach(files::add);
        }
        for (Path file : files) {
            Files.createDirectories(clone.resolve(file).resolveSibling(""));
            Files.copy(Built.root().resolve(file), clone.resolve(file));
        }
    }

    @AfterEach
    void stop() throws InterruptedException {
        for (Process process : running) {
            process.descendants().forEach(ProcessHandle::destroy);
            process.destroy();
            process.waitFor();
        }
    }

    @Test
    void commands_printWhatThePageShows_oneSensorWaitsForAReview_anotherChanged() throws Exception {
        List<Step> steps = steps(Files.readAllLines(Built.root().resolve("docs/first-files.md")));
        assertThat(steps).hasSizeGreaterThan(6);
        for (Step step : steps) {
            if (KEEPS_RUNNING.matcher(step.command()).find()) {
                keepRunning(step.command());
            } else if (step.output().isEmpty()) {
                assertThat(run(step.command()).exitCode()).as(step.command()).isZero();
            } else {
                await().atMost(PATIENCE)
                        .untilAsserted(() -> assertThat(
                                        comparable(run(step.command()).output().lines()))
                                .containsSubsequence(comparable(step.output().stream())));
            }
        }

        Client client = new Client("http://localhost:" + port);
        assertThat(client.get("/ui/shards").body())
                .contains("hall", "flow", "north", "south", "cellar", "bearing", "tank");
        assertThat(client.get("/ui/review").body())
                .contains("4 certificates wait for a review", "shard bearing", "single_point");
        await().atMost(PATIENCE).untilAsserted(() -> {
            assertThat(client.get("/v1/shards?change=changed").body().lines().toList())
                    .singleElement(InstanceOfAssertFactories.STRING)
                    .contains("\"shard_id\":\"tank\"", "\"measure\":\"recomputed_D_hat\"");
            assertThat(client.get("/ui").body())
                    .containsOnlyOnce("A shard changed its shape in the last hour:")
                    .containsOnlyOnce("tank D̂\u00a01.57\u00a0→\u00a01.05</a> <svg");
        });
    }

    private static List<Step> steps(List<String> page) {
        List<Step> steps = new ArrayList<>();
        boolean inBlock = false;
        for (String line : page) {
            boolean isIndented = line.startsWith("    ");
            if (!isIndented && !(inBlock && line.isEmpty())) {
                inBlock = false;
                continue;
            }
            String text = isIndented ? line.substring(4) : "";
            Step last = inBlock ? steps.get(steps.size() - 1) : null;
            if (text.startsWith("$ ")) {
                steps.add(new Step(text.substring(2), new ArrayList<>()));
                steps.get(steps.size() - 1).output().add("...");
            } else if (last == null) {
                steps.add(new Step(text, new ArrayList<>()));
            } else if (last.output().isEmpty()) {
                steps.set(steps.size() - 1, new Step(last.command() + "\n" + text, last.output()));
            } else {
                last.output().add(text);
            }
            inBlock = true;
        }
        return steps.stream()
                .map(step -> new Step(step.command().strip(), step.output()))
                .toList();
    }

    private List<String> comparable(Stream<String> lines) {
        return lines.filter(line -> !line.isEmpty() && !line.equals("..."))
                .map(line -> line.replace(home.toString(), "/home/anna").replaceAll(VARYING, "#"))
                .toList();
    }

    private void keepRunning(String command) throws IOException {
        Path log = temporary.resolve("log-" + running.size());
        running.add(bash(command)
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start());
        if (port.isEmpty()) {
            await().atMost(PATIENCE)
                    .untilAsserted(() -> assertThat(Files.readString(log)).contains("ready: submissions are accepted"));
            Matcher listens = LISTENS.matcher(Files.readString(log));
            assertThat(listens.find()).isTrue();
            port = listens.group(1);
        }
    }

    private HostProgram.Ended run(String command) throws IOException, InterruptedException {
        Process process =
                bash(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
        process.getOutputStream().close();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new HostProgram.Ended(process.waitFor(), output);
    }

    /** Returns a shell with the commands, in which the backend has another port than 8080, the default of all. */
    private ProcessBuilder bash(String command) {
        String url = "http://localhost:" + port;
        Path bash = HostProgram.orSkip("bash", "bash", clone).path();
        ProcessBuilder builder = new ProcessBuilder(
                        bash.toString(),
                        "-c",
                        command.replace("http://localhost:8080", url)
                                .replace("BIND_ADDR=", "PORT=0 BIND_ADDR=")
                                .replace("backend record", "backend record --url " + url))
                .directory(clone.toFile());
        builder.environment().put("HOME", home.toString());
        builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
        builder.environment().put("t", home + "/flk-trial");
        Starts.count(Started.JVM);
        return builder;
    }
}
