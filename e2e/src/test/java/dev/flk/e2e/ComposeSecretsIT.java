// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.ComposeFile.Mount;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The secrets of {@code deploy/compose}: in no file of the tree, each made once, and given to those only who need it. */
final class ComposeSecretsIT {
    private static final Pattern SECRET = Pattern.compile(ComposeFile.SECRETS + "([a-z.-]+)");
    private static final Pattern SECRET_VALUE = Pattern.compile("[0-9a-f]{64}");
    private static final Pattern SECRET_NAME = Pattern.compile("PASS|SECRET|KEY|TOKEN|URI|CONN");

    private static ComposeFile compose;

    @TempDir
    private Path directory;

    @BeforeAll
    static void read() throws IOException {
        compose = ComposeFile.read();
    }

    private static Set<String> declared() {
        return ComposeFile.members(compose.tree().path("secrets")).keySet();
    }

    @Test
    void declared_areFilesOfTheDirectoryThatGitIgnores() throws IOException {
        ComposeFile.members(compose.tree().path("secrets"))
                .forEach((name, secret) ->
                        assertThat(secret.path("file").asText()).isEqualTo("./secrets/" + name));
        assertThat(Files.readAllLines(Built.root().resolve(".gitignore"))).contains("/deploy/compose/secrets/");
    }

    @Test
    void secrets_areReadFromFiles_byThoseOnlyWhoAreGivenThem() throws IOException {
        for (String name : compose.services().keySet()) {
            StringBuilder read = new StringBuilder(
                    String.join("\n", compose.environment(name).values()));
            for (Mount mount : compose.mounts(name)) {
                Path source = ComposeFile.DIRECTORY.resolve(mount.source());
                if (mount.isOfTheTree() && Files.isRegularFile(source)) {
                    read.append('\n').append(Files.readString(source));
                }
            }
            assertThat(SECRET.matcher(read)
                            .results()
                            .map(secret -> secret.group(1))
                            .distinct())
                    .as(name)
                    .containsExactlyInAnyOrderElementsOf(compose.secrets(name));
            compose.environment(name).forEach((variable, value) -> {
                if (SECRET_NAME.matcher(variable).find()) {
                    assertThat(variable).endsWith("_FILE");
                    assertThat(value).startsWith(ComposeFile.SECRETS);
                }
            });
        }
    }

    @Test
    void makeSecrets_makesEachOnce_withAValueOfItsOwn_andForNobodyElse() throws Exception {
        Path script = Files.copy(ComposeFile.DIRECTORY.resolve("make-secrets"), directory.resolve("make-secrets"));
        HostProgram make = new HostProgram(script, directory);
        String printed = make.succeed();
        Path secrets = directory.resolve("secrets");
        Map<String, String> first = contents(secrets);

        assertThat(first).containsOnlyKeys(declared());
        assertThat(first.keySet()).allSatisfy(name -> assertThat(printed).contains("made " + secrets.resolve(name)));
        assertThat(values(printed)).isEmpty();
        first.forEach((name, secret) -> assertThat(values(secret)).as(name).hasSize(1));
        assertThat(values(first.get("redis-users.acl"))).isEqualTo(values(first.get("redis-uri")));
        assertThat(first.values().stream()
                        .flatMap(secret -> values(secret).stream())
                        .distinct())
                .hasSize(first.size() - 1);
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(secrets)))
                .isEqualTo("rwx------");

        assertThat(make.succeed()).isEmpty();
        assertThat(contents(secrets)).isEqualTo(first);
    }

    private static List<String> values(String text) {
        return SECRET_VALUE.matcher(text).results().map(MatchResult::group).toList();
    }

    private static Map<String, String> contents(Path secrets) throws IOException {
        Map<String, String> contents = new TreeMap<>();
        try (Stream<Path> files = Files.list(secrets)) {
            for (Path file : files.toList()) {
                contents.put(file.getFileName().toString(), Files.readString(file));
            }
        }
        return contents;
    }
}
