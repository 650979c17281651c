// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code deploy/systemd}: systemd has no objection, and what the units start is what the jars take. */
final class SystemdUnitsIT {
    private static final Path UNITS = Built.root().resolve("deploy/systemd");
    private static final Pattern START = Pattern.compile(
            "(?m)^ExecStart=/usr/bin/java (.*) -jar /opt/flk/(flk-[a-z]+)\\.jar (\\S+) --config (\\S+)$");
    private static final Pattern STOP_SECONDS = Pattern.compile("(?m)^TimeoutStopSec=([0-9]+)s$");

    /** What a stop may take: the contract's 10 s, and closing. */
    private static final int STOP_BOUND_SECONDS = 15;

    /** Tenths of what {@code systemd-analyze security} tells. */
    private static final int MOST_EXPOSED = 15;

    /** The first with {@code --offline}. */
    private static final int SYSTEMD_VERSION = 250;

    @TempDir
    private Path directory;

    @Test
    void unitsAreThese() throws IOException {
        try (var files = Files.list(UNITS)) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .containsExactlyInAnyOrder("flk-agent.service", "flk-backend.service");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"flk-agent.service", "flk-backend.service"})
    void systemd_findsNoMistakeAndLittleExposure(String unit) throws Exception {
        HostProgram analyze = HostProgram.orSkip("systemd-analyze", "systemd", directory);
        Matcher version = Pattern.compile("systemd ([0-9]+)").matcher(analyze.succeed("--version"));
        assumeTrue(
                version.find() && Integer.parseInt(version.group(1)) >= SYSTEMD_VERSION,
                "not tried out: systemd is older than " + SYSTEMD_VERSION);
        Path here = Files.writeString(
                directory.resolve(unit),
                Files.readString(UNITS.resolve(unit))
                        .replace(
                                "/usr/bin/java",
                                Path.of(System.getProperty("java.home"), "bin", "java")
                                        .toString()));

        HostProgram.Ended verified = analyze.run("verify", "--man=no", here.toString());
        assertThat(verified.output().lines().filter(line -> line.contains("flk-")))
                .isEmpty();
        assertThat(analyze.succeed("security", "--offline=true", "--threshold=" + MOST_EXPOSED, here.toString()))
                .contains("Overall exposure level for " + unit);
    }

    @ParameterizedTest
    @ValueSource(strings = {"flk-agent.service", "flk-backend.service"})
    void unit_startsItsJar_andTakesItsEndForGood(String unit) throws Exception {
        String text = Files.readString(UNITS.resolve(unit));
        Matcher start = START.matcher(text);
        assertThat(start.find()).as(text).isTrue();
        String jar = start.group(2);
        assertThat(unit).isEqualTo(jar + ".service");
        assertThat(start.group(4)).startsWith("/etc/" + jar + "/");
        Matcher stop = STOP_SECONDS.matcher(text);
        assertThat(stop.find()).isTrue();
        assertThat(Integer.parseInt(stop.group(1))).isGreaterThan(STOP_BOUND_SECONDS);
        assertThat(text.lines()).contains("SuccessExitStatus=143", "RestartPreventExitStatus=2", "Restart=always");

        Path configuration = configuration(jar);
        List<String> options = List.of(start.group(1).split(" ", -1));
        try (Program program =
                Program.java(jar, directory, Map.of(), options, start.group(3), "--config", configuration.toString())) {
            program.awaitLine(
                    line -> line.contains("ready: submissions are taken") || line.contains("certificates wait"));
            assertThat(program.terminate()).as(program.allLines()).isEqualTo(143);
        }
        Files.writeString(configuration, "PCS_SIGN_ALG=none-such\n");
        try (Program program =
                Program.java(jar, directory, Map.of(), options, start.group(3), "--config", configuration.toString())) {
            assertThat(program.awaitExit()).as(program.allLines()).isEqualTo(2);
        }
    }

    private Path configuration(String jar) throws IOException {
        Map<String, String> settings = jar.equals("flk-backend")
                ? BackendProcess.environment()
                : AgentHome.in(directory).sendingNowhere();
        return Files.write(
                directory.resolve("configuration"),
                settings.entrySet().stream()
                        .map(setting -> setting.getKey() + "=" + setting.getValue())
                        .toList());
    }
}
