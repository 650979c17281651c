// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.flk.testkit.Starts;
import dev.flk.testkit.Starts.Started;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Tests of {@code ./flk demo}, with and without {@code --stay}, and of {@code ./flk example}, in a directory whose name
 * contains spaces.
 */
final class DemoIT {
    private static final Pattern RESULT = Pattern.compile("(\\d+) accepted, (\\d+) escalated, (\\d+) rejected");
    private static final Pattern PAGE = Pattern.compile("^The page is at (http://127\\.0\\.0\\.1:[0-9]+)/ui; ");

    private static final Pattern CACHING = Pattern.compile("(?m)^JAVA_VERSION=\"(2[5-9]|[3-9][0-9])");

    @TempDir
    private Path temporary;

    private final Path java = Path.of(System.getProperty("java.home"));
    private Path copy;
    private String required = "";

    @BeforeEach
    void wrapJava() throws Exception {
        wrap(java);
    }

    /** Creates a JAVA_HOME whose JVMs start quickly. */
    private void wrap(Path home) throws IOException {
        Path wrapper = Files.createDirectories(temporary.resolve("java/bin")).resolve("java");
        Files.writeString(
                wrapper,
                "#!/bin/sh\nexec '" + home + "/bin/java' " + String.join(" ", Program.QUICK_START) + " \"$@\"\n");
        Files.setPosixFilePermissions(wrapper, PosixFilePermissions.fromString("rwxr-xr-x"));
        if (Files.exists(home.resolve("release"))) {
            Files.copy(home.resolve("release"), temporary.resolve("java/release"), StandardCopyOption.REPLACE_EXISTING);
        }
    }

    /** Returns this JDK and, if it is beside it, a JDK whose archive is a cache (25 or later). */
    private static List<Path> javas() throws IOException {
        Path java = Path.of(System.getProperty("java.home"));
        try (Stream<Path> beside = Files.list(java.resolveSibling("."))) {
            return Stream.concat(
                            Stream.of(java), beside.filter(DemoIT::hasCache).limit(1))
                    .distinct()
                    .toList();
        }
    }

    private static boolean hasCache(Path java) {
        try {
            Path release = java.resolve("release");
            return Files.exists(java.resolve("bin/java"))
                    && Files.exists(release)
                    && CACHING.matcher(Files.readString(release)).find();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @BeforeEach
    void copyWhatItNeeds() throws Exception {
        copy = Files.createDirectory(temporary.resolve("a clone of it"));
        Files.copy(Built.root().resolve("flk"), copy.resolve("flk"));
        Files.createDirectory(copy.resolve("deploy"));
        Files.copy(Built.root().resolve("deploy/class-archive"), copy.resolve("deploy/class-archive"));
        Files.createDirectory(copy.resolve("demo"));
        for (String file : List.of("run", "earthquakes.csv")) {
            Files.copy(
                    Built.root().resolve("demo").resolve(file),
                    copy.resolve("demo").resolve(file));
        }
        for (String name : List.of("backend", "agent")) {
            Path target = Files.createDirectories(copy.resolve(name).resolve("target"));
            Files.copy(Built.jar("flk-" + name), target.resolve("flk-" + name + ".jar"));
        }
    }

    @Test
    void demo_certifiesEarthquakes_andKeepsRunningWithADriftingSensor() throws Exception {
        String output = flk("demo");
        demoThatStays();
        assertThat(accepted(output)).isGreaterThanOrEqualTo(5);
        assertThat(output)
                .contains(
                        "data/wal",
                        "data/outbox.wal",
                        "metrics.txt",
                        "Try next",
                        "The record of one shard",
                        "received (UTC)");
        try (Stream<Path> runs = Files.list(copy.resolve("data/demo"))) {
            assertThat(runs).hasSize(2);
        }
    }

    /**
     * Runs the example with the class path that Maven gives an application: the agent's artifact with its dependencies.
     */
    @Test
    @Tag("thorough")
    void example_wrongAndRightKey_reportsTheResultAndEnds() throws Exception {
        Path example = Built.root().resolve("examples").resolve("target");
        Path target = Files.createDirectories(copy.resolve("examples").resolve("target"));
        for (String directory : List.of("classes", "lib")) {
            Files.createSymbolicLink(
                    target.resolve(directory), example.resolve(directory).toRealPath());
        }

        String output = flk("example");

        assertThat(output)
                .contains(
                        "does not know:\nWAITS in the outbox: the backend refuses the signatures of 1 shard: it does not"
                                + " know this key, or does not accept it for that shard; check PCS_SIGN_ALG and the key\n")
                .containsPattern("with the key of the backend:\nACCEPTED [0-9a-f]{64}\n$");
    }

    @ParameterizedTest
    @MethodSource("javas")
    @Tag("thorough")
    void firstStart_writesAClassArchive_thatTheNextStartUses(Path home) throws Exception {
        wrap(home);
        assertThat(flk("agent", "--version"))
                .contains("the first start of agent takes a few seconds longer", "flk-agent ");
        Path archive = copy.resolve("agent/target/flk-agent.jsa");
        FileTime written = Files.getLastModifiedTime(archive);

        required = hasCache(home) ? "-XX:AOTMode=on" : "-Xshare:on"; // the JVM fails if it can't use the archive
        assertThat(flk("agent", "--version")).contains("flk-agent ").doesNotContain("first start");
        assertThat(Files.getLastModifiedTime(archive)).isEqualTo(written);
    }

    /** The archive of another jar or JDK is what a copied checkout has, and an image whose jar or JDK was replaced. */
    @ParameterizedTest
    @MethodSource("javas")
    void archiveOfAnotherJar_theProgramAloneWritesToStandardOutput(Path home) throws Exception {
        wrap(home);
        for (String name : List.of("agent", "backend")) {
            Path archive = copy.resolve(name + "/target/flk-" + name + ".jsa");
            Files.copy(ClassArchive.of(Built.jar("flk-" + name)), archive);
            Files.writeString(
                    archive.resolveSibling("flk-" + name + ".options"),
                    standardOutput(List.of("deploy/class-archive", "--options", home + "/bin/java", archive.toString()))
                            .replaceAll("(?m)^(.*)$", "\"$1\""));
            String version = standardOutput(List.of("./flk", name, "--version"));

            assertThat(version).matches("flk-" + name + " [^\n]+\n");
            assertThat(standardOutput(entryPoint(home, name))).isEqualTo(version);
        }
        assertThat(standardOutput(List.of("./flk", "agent", "keygen")))
                .matches("PCS_SIGN_ALG=hmac\nPCS_HMAC_KEY=[^\n]+\n");
    }

    /** Returns the command of an image's entry point with the files of the copy, which prints the version. */
    private List<String> entryPoint(Path home, String name) throws IOException {
        String file = Files.readString(Built.root().resolve("deploy/docker/Dockerfile"));
        Matcher json =
                Pattern.compile("(?m)^ENTRYPOINT (\\[.*flk-" + name + ".*])$").matcher(file);
        assertThat(json.find()).isTrue();
        List<String> command = new ArrayList<>();
        for (JsonNode word : new ObjectMapper().readTree(json.group(1))) {
            command.add(word.asText().replace("/opt/flk", copy + "/" + name + "/target"));
        }
        command.set(0, home + "/bin/java");
        command.add("--version");
        return command;
    }

    private String standardOutput(List<String> command) throws IOException, InterruptedException {
        Path errors = temporary.resolve("errors");
        ProcessBuilder builder =
                new ProcessBuilder(command).directory(copy.toFile()).redirectError(errors.toFile());
        builder.environment().put("JAVA_HOME", temporary.resolve("java").toString());
        Starts.count(Started.JVM);
        Process process = builder.start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(Files.readString(errors)).isZero();
        return output;
    }

    /** Runs the demo until its page shows an escalated certificate, and then stops the demo. */
    private void demoThatStays() throws Exception {
        Process process = start("demo", "--stay");
        StringBuilder output = new StringBuilder();
        try (BufferedReader lines = process.inputReader(StandardCharsets.UTF_8)) {
            Matcher page = null;
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                output.append(line).append('\n');
                Matcher matcher = PAGE.matcher(line);
                if (matcher.find()) {
                    page = matcher;
                    break;
                }
            }
            assertThat(page).as(output.toString()).isNotNull();
            Client client = new Client(page.group(1));
            Client.awaitUntil(() -> client.metric("flk_escalated") > 0);
            Client.awaitUntil(() -> client.get("/ui/review").body().contains("<strong>degraded</strong>"));
            assertThat(client.get("/ui/shards").body()).contains("quakes-1", "quakes-4", "pump");
            Client.awaitUntil(() -> client.metric("flk_agents{state=\"reporting\",}") == 1);
            process.destroy(); // SIGTERM stops both programs, as Ctrl-C does
            assertThat(process.waitFor()).isEqualTo(143);
        } finally {
            process.destroy();
        }
    }

    private static int accepted(String output) {
        Matcher result = RESULT.matcher(output);
        assertThat(result.find()).as(output).isTrue();
        return Integer.parseInt(result.group(1));
    }

    private String flk(String... command) throws IOException, InterruptedException {
        Process process = start(command);
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(output).isZero();
        return output;
    }

    private Process start(String... command) throws IOException {
        ProcessBuilder builder = new ProcessBuilder(
                        Stream.concat(Stream.of("./flk"), Stream.of(command)).toList())
                .directory(copy.toFile());
        if (!required.isEmpty()) {
            builder.environment().put("JDK_JAVA_OPTIONS", required);
        }
        builder.environment().put("JAVA_HOME", temporary.resolve("java").toString());
        Starts.count(Started.JVM);
        Process process = builder.redirectErrorStream(true).start();
        process.getOutputStream().close();
        return process;
    }
}
