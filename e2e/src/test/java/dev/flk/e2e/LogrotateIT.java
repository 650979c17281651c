// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code deploy/logrotate}: what logrotate takes, and what it does to files that are written to. Never to a log of certificates. */
final class LogrotateIT {
    private static final Path CONFIGURATIONS = Built.root().resolve("deploy/logrotate");
    private static final Pattern ROTATED = Pattern.compile("(?m)^(/\\S+) \\{$");
    private static final Pattern USER = Pattern.compile("(?m)^    su (\\S+) (\\S+)$");

    private HostProgram logrotate;

    @TempDir
    private Path directory;

    @BeforeEach
    void find() {
        logrotate = HostProgram.orSkip("logrotate", "logrotate", directory);
    }

    @Test
    void nothingOfTheOutboxOrTheLog_isRotated() throws IOException {
        List<String> rotated = new ArrayList<>();
        List<String> users = new ArrayList<>();
        for (String name : names()) {
            String text = Files.readString(CONFIGURATIONS.resolve(name));
            ROTATED.matcher(text).results().forEach(path -> rotated.add(path.group(1)));
            USER.matcher(text).results().forEach(user -> users.add(user.group(1) + ":" + user.group(2)));
        }
        assertThat(rotated)
                .containsExactlyInAnyOrder(
                        "/var/lib/flk-agent/dlq.jsonl", "/var/log/flk-agent/*.log", "/var/log/flk-backend/*.log");
        // only the agent owns what it rotates: systemd opens files of logs as root
        assertThat(users).containsExactly("flk-agent:flk-agent");
    }

    private static List<String> names() throws IOException {
        try (Stream<Path> files = Files.list(CONFIGURATIONS)) {
            return files.map(file -> file.getFileName().toString()).toList();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"flk-agent", "flk-backend"})
    void logrotate_findsNoMistake(String name) throws Exception {
        HostProgram.Ended ended = logrotate.run("-d", here(name).toString());
        assertThat(ended.exitCode()).as(ended.output()).isZero();
        assertThat(ended.output()).doesNotContain("error:").contains("rotating pattern");
    }

    @Test
    void programGoesOnWritingToItsLog_andLettersAreKept() throws Exception {
        Path configuration = here("flk-agent");
        Path letters = Files.writeString(
                Files.createDirectories(directory.resolve("var/lib/flk-agent")).resolve("dlq.jsonl"), "{}\n");
        Path log =
                Files.createDirectories(directory.resolve("var/log/flk-agent")).resolve("agent.log");
        try (OutputStream open = Files.newOutputStream(log, StandardOpenOption.CREATE, StandardOpenOption.APPEND)) {
            open.write("before\n".getBytes(StandardCharsets.UTF_8));
            logrotate.succeed("-f", "-s", directory.resolve("state").toString(), configuration.toString());
            open.write("after\n".getBytes(StandardCharsets.UTF_8));
        }
        assertThat(log).hasContent("after");
        assertThat(log.resolveSibling("agent.log.1.gz")).isNotEmptyFile();
        assertThat(letters).doesNotExist();
        assertThat(letters.resolveSibling("dlq.jsonl.1")).hasContent("{}");
    }

    /** With the places below the directory, and the user of this test. */
    private Path here(String name) throws Exception {
        String user = System.getProperty("user.name");
        String group = new HostProgram(Path.of("/usr/bin/id"), directory)
                .succeed("-gn")
                .strip();
        String text = Files.readString(CONFIGURATIONS.resolve(name)).replace("/var/", directory + "/var/");
        Path here = directory.resolve(name);
        Files.writeString(
                here, USER.matcher(text).replaceAll(Matcher.quoteReplacement("    su " + user + " " + group)));
        Files.setPosixFilePermissions(here, PosixFilePermissions.fromString("rw-r--r--"));
        return here;
    }
}
