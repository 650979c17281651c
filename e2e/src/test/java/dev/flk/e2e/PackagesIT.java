// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Tests of the packages in {@code deploy/deb}: lintian checks them, and dpkg installs, upgrades, removes and purges
 * them.
 */
@Tag("thorough")
class PackagesIT {
    private static final Pattern INSTALLED = Pattern.compile("/usr/(?:share|bin)/[\\w/.-]*flk[\\w/.-]*\\w");

    /** The root of an empty system into which dpkg installs. Package scripts run without a chroot. */
    @TempDir
    private Path root;

    @TempDir
    private Path directory;

    @BeforeEach
    void emptySystem() throws Exception {
        for (String name : List.of("var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers", "etc")) {
            Files.createDirectories(root.resolve(name));
        }
        Files.createFile(root.resolve("var/lib/dpkg/status"));
        Files.writeString(root.resolve("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n");
        Files.writeString(root.resolve("etc/group"), "root:x:0:\n");
    }

    private static Path built(String name) throws IOException {
        try (Stream<Path> files = Files.list(Built.root().resolve("deploy/deb/target"))) {
            List<Path> packages = files.filter(
                            file -> file.getFileName().toString().matches(name + "_.*\\.deb"))
                    .toList();
            assertThat(packages).hasSize(1);
            return packages.get(0);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"flk-agent", "flk-backend", "flk-state"})
    void packages_haveNoLintianErrors(String name) throws Exception {
        HostProgram lintian = HostProgram.orSkip("lintian", "lintian", directory);
        lintian.succeed("--fail-on", "error", built(name).toString());
    }

    @ParameterizedTest
    @ValueSource(strings = {"agent", "backend", "state"})
    void installUpgradeRemoveAndPurge_keepData_onlyPurgeDeletesSettings(String program) throws Exception {
        assumeTrue(System.getProperty("user.name").equals("root"), "not tried out: dpkg needs root");
        HostProgram.orSkip("systemd-sysusers", "systemd", directory);
        String name = "flk-" + program;
        Path settings = root.resolve("etc/flk/" + program + ".properties");
        Path data = root.resolve("var/lib/flk/" + program);
        Path jar = root.resolve("usr/share/flk/" + name + ".jar");

        dpkg("--install", built(name).toString());
        assertThat(installed(name, "--version"))
                .isEqualTo(name + " " + builtVersion(name).replace('~', '-') + "\n");
        assertThat(Files.readString(root.resolve("etc/passwd")))
                .contains(name + ":", ":/var/lib/flk/" + program + ":/usr/sbin/nologin");
        assertThat(mode(settings)).isEqualTo("rw-r-----");
        assertThat(Files.getAttribute(settings, "unix:gid")).isEqualTo(id("group", name));
        assertThat(mode(data)).isEqualTo("rwxr-x---");
        assertThat(Files.getAttribute(data, "unix:uid")).isEqualTo(id("passwd", name));
        assertThat(missing()).isEmpty();

        String changed = Files.readString(settings) + "PCS_SIGN_ALG=hmac\n";
        Files.writeString(settings, changed);
        Path kept = Files.writeString(data.resolve("data"), "kept");
        dpkg("--install", withVersion("99", name).toString());
        assertThat(settings).hasContent(changed);
        assertThat(mode(settings)).isEqualTo("rw-r-----");
        assertThat(kept).hasContent("kept");

        dpkg("--remove", name);
        assertThat(jar).doesNotExist();
        assertThat(settings).hasContent(changed);
        assertThat(kept).hasContent("kept");

        assertThat(dpkg("--purge", name)).contains(data + " is kept");
        assertThat(settings).doesNotExist();
        assertThat(kept).hasContent("kept");

        dpkg("--install", built(name).toString());
        Files.delete(kept);
        dpkg("--purge", name);
        assertThat(root.resolve("var/lib/flk")).doesNotExist();
        assertThat(root.resolve("etc/flk")).doesNotExist();
    }

    @Test
    void upgradeOfTheBackendFromBefore_saysThatTheStateHasStopped_nextOneDoesNot() throws Exception {
        assumeTrue(System.getProperty("user.name").equals("root"), "not tried out: dpkg needs root");
        HostProgram.orSkip("systemd-sysusers", "systemd", directory);
        String stopped = "have stopped until the package flk-state is installed";

        assertThat(dpkg("--install", withVersion("0.1.0", "flk-backend").toString()))
                .doesNotContain(stopped);
        assertThat(dpkg("--install", built("flk-backend").toString())).contains(stopped);
        assertThat(dpkg("--install", built("flk-backend").toString())).doesNotContain(stopped);
    }

    /** Checks that each user can read the packaged file of sources, that it is valid, and that upgrades keep changes. */
    @Test
    void sourcesFile_isReadableByEachUserAndValid_keptByAnUpgrade() throws Exception {
        assumeTrue(System.getProperty("user.name").equals("root"), "not tried out: dpkg needs root");
        HostProgram.orSkip("systemd-sysusers", "systemd", directory);
        Path sources = root.resolve("etc/flk/sources.yaml");

        dpkg("--install", built("flk-agent").toString());
        assertThat(mode(sources)).isEqualTo("rw-r--r--");
        assertThat(Files.readString(root.resolve("etc/flk/agent.properties")))
                .contains("\nSOURCES_FILE=/etc/flk/sources.yaml\n");
        assertThat(installed("flk-agent", "sources", "check", sources.toString()))
                .isEmpty();

        String changed = Files.readString(sources) + "# changed\n";
        Files.writeString(sources, changed);
        dpkg("--install", withVersion("99", "flk-agent").toString());
        assertThat(sources).hasContent(changed);
    }

    private static String builtVersion(String name) throws IOException {
        return built(name).getFileName().toString().split("_", -1)[1];
    }

    /** Returns a copy of the package with another version. */
    private Path withVersion(String version, String name) throws Exception {
        HostProgram tool = HostProgram.orSkip("dpkg-deb", "dpkg", directory);
        Path content = directory.resolve(name);
        tool.succeed("--raw-extract", built(name).toString(), content.toString());
        Path control = content.resolve("DEBIAN/control");
        Files.writeString(control, Files.readString(control).replaceFirst("Version: .*", "Version: " + version));
        Path copy = directory.resolve("copy.deb");
        tool.succeed("-Znone", "--build", content.toString(), copy.toString());
        return copy;
    }

    private String dpkg(String action, String what) throws Exception {
        HostProgram dpkg = HostProgram.orSkip("dpkg", "dpkg", directory);
        return dpkg.succeed(
                "--root=" + root,
                "--log=" + directory.resolve("dpkg.log"),
                "--force-script-chrootless",
                "--force-depends",
                action,
                what);
    }

    /** Runs an installed command, and returns its output. */
    private String installed(String name, String... arguments) throws Exception {
        Path java = Path.of(System.getProperty("java.home"), "bin", "java");
        Path command = root.resolve("usr/bin").resolve(name);
        assertThat(mode(command)).isEqualTo("rwxr-xr-x");
        String jar = "/usr/share/flk/" + name + ".jar";
        Path here = Files.writeString(
                directory.resolve("command"),
                Files.readString(command).replace("exec java", "exec " + java).replace(jar, root + jar));
        return HostProgram.orSkip("sh", "dash", directory)
                .succeed(Stream.concat(Stream.of(here.toString()), Stream.of(arguments))
                        .toArray(String[]::new));
    }

    private static String mode(Path file) throws IOException {
        return PosixFilePermissions.toString(Files.getPosixFilePermissions(file));
    }

    private int id(String database, String name) throws IOException {
        return Files.readAllLines(root.resolve("etc").resolve(database)).stream()
                .map(line -> line.split(":", -1))
                .filter(entry -> entry[0].equals(name))
                .mapToInt(entry -> Integer.parseInt(entry[2]))
                .findFirst()
                .orElseThrow();
    }

    /** Returns the missing files below {@code /usr} that units, commands, cron or logrotate refer to. */
    private Set<String> missing() throws IOException {
        Set<String> missing = new TreeSet<>();
        for (String place : List.of("etc/cron.d", "etc/logrotate.d", "usr/lib/systemd/system", "usr/bin")) {
            Path present = root.resolve(place);
            try (Stream<Path> files = Files.exists(present) ? Files.list(present) : Stream.empty()) {
                for (Path file : files.toList()) {
                    String text = Files.readString(file, StandardCharsets.UTF_8);
                    assertThat(text).doesNotContain("/opt/").doesNotContainPattern("@[A-Z]+@");
                    missing.addAll(INSTALLED
                            .matcher(text)
                            .results()
                            .map(MatchResult::group)
                            .filter(path -> !Files.exists(root.resolve(path.substring(1))))
                            .collect(Collectors.toSet()));
                }
            }
        }
        return missing;
    }
}
