// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code ./flk demo}, twice, and {@code ./flk example}, in a directory with a space in its name and without a terminal. */
final class DemoIT {
    private static final Pattern RESULT = Pattern.compile("(\\d+) accepted, (\\d+) escalated, (\\d+) rejected");

    @TempDir
    private Path temporary;

    private Path copy;
    private String required = "";

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
    void demo_runsTwiceAndCertifiesRealEarthquakes() throws Exception {
        String first = flk("demo");
        String second = flk("demo");
        assertThat(accepted(first)).isGreaterThanOrEqualTo(5).isEqualTo(accepted(second));
        assertThat(first)
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
     * Runs the example with the agent's artifact, its dependencies and its logging, as Maven provides them to an
     * application.
     */
    @Test
    void example_anotherKeyAndTheRightOne_saysWhatBecameOfItAndEnds() throws Exception {
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

    @Test
    void firstStart_keepsItsClasses_fromWhichTheNextTakesThem() throws Exception {
        assertThat(flk("agent", "--version"))
                .contains("the first start of agent takes a few seconds longer", "flk-agent ");
        Path archive = copy.resolve("agent/target/flk-agent.jsa");
        FileTime written = Files.getLastModifiedTime(archive);

        required = "-Xshare:on"; // the JVM fails if it can't use the class archive
        assertThat(flk("agent", "--version")).contains("flk-agent ").doesNotContain("first start");
        assertThat(Files.getLastModifiedTime(archive)).isEqualTo(written);
    }

    private static int accepted(String output) {
        Matcher result = RESULT.matcher(output);
        assertThat(result.find()).as(output).isTrue();
        return Integer.parseInt(result.group(1));
    }

    private String flk(String... command) throws IOException, InterruptedException {
        ProcessBuilder builder = new ProcessBuilder(
                        Stream.concat(Stream.of("./flk"), Stream.of(command)).toList())
                .directory(copy.toFile());
        if (!required.isEmpty()) {
            builder.environment().put("JDK_JAVA_OPTIONS", required);
        }
        builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
        Process process = builder.redirectErrorStream(true).start();
        process.getOutputStream().close();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(output).isZero();
        return output;
    }
}
