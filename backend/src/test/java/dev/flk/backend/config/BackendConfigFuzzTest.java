// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.config.Key;
import dev.flk.sample.FuzzInputs;
import java.io.IOException;
import java.io.StringReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import org.junit.jupiter.params.provider.ArgumentsSource;

/** Any properties file: a configuration, or what is wrong with it, all of it in words and without a secret. */
class BackendConfigFuzzTest {
    /** Stands in secrets; where it stands in anything else that may be told, nothing is said about it. */
    private static final String SECRET = "hunter2-hunter2";

    private final Path file = temporaryFile();

    private static Path temporaryFile() {
        try {
            Path file = Files.createTempFile("fuzz", ".properties");
            file.toFile().deleteOnExit();
            return file;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @FuzzTest
    @ArgumentsSource(FuzzInputs.class)
    void anyFile_isAConfigurationOrNamedProblems(byte[] text) throws IOException {
        Map<String, String> entries = entries(text);
        if (entries.entrySet().stream().anyMatch(BackendConfigFuzzTest::leadsElsewhere)) {
            return;
        }
        Files.write(file, text);

        List<String> problems = load(Map.of(), file);
        assertThat(load(Map.of(), file)).isEqualTo(problems);
        problems.forEach(problem -> assertThat(problem).isNotBlank());
        if (mayNotBeTold(entries)) {
            problems.forEach(problem -> assertThat(problem).doesNotContain(SECRET));
            if (problems.isEmpty()) {
                assertThat(BackendConfig.describe(Map.of(), file)).doesNotContain(SECRET);
                // user and database in the URI of a Postgres are none
                if (!entries.getOrDefault("POSTGRES_CONN", "").contains(SECRET)) {
                    assertThat(BackendConfig.load(Map.of(), file).toString()).doesNotContain(SECRET);
                }
            }
        }
        assertSameFromTheEnvironment(entries, problems);
    }

    /** What a file says is valid if and only if an environment that says the same is, but for what only one of the two can say. */
    private void assertSameFromTheEnvironment(Map<String, String> entries, List<String> problems) {
        boolean sayable = entries.entrySet().stream()
                .allMatch(entry -> !entry.getValue().isEmpty()
                        && entry.getValue().indexOf('\uFFFD') < 0
                        && (key(entry.getKey()).isPresent()
                                || key(entry.getKey().replaceFirst("_FILE$", ""))
                                        .isPresent()));
        boolean twice = problems.stream().anyMatch(problem -> problem.contains("is set twice"));
        boolean unread = problems.stream().anyMatch(problem -> problem.startsWith("--config "));
        if (sayable && !twice && !unread) {
            assertThat(load(entries, null).isEmpty()).isEqualTo(problems.isEmpty());
        }
    }

    private static List<String> load(Map<String, String> environment, Path file) {
        try {
            assertThat(BackendConfig.load(environment, file)).isNotNull();
            return List.of();
        } catch (InvalidConfig e) {
            assertThat(e.problems()).isNotEmpty();
            return e.problems();
        }
    }

    /** As the JDK reads it, as far as it can; the last of those that stand twice. */
    private static Map<String, String> entries(byte[] text) {
        Properties properties = new Properties();
        try {
            properties.load(new StringReader(new String(text, StandardCharsets.UTF_8)));
        } catch (IOException | IllegalArgumentException e) {
            // what stood before the mistake was read
        }
        Map<String, String> entries = new HashMap<>();
        properties.stringPropertyNames().forEach(name -> entries.put(name, properties.getProperty(name)));
        return entries;
    }

    private static Optional<Key<?>> key(String name) {
        return BackendConfig.KEYS.stream()
                .filter(key -> key.name().equals(name))
                .findFirst();
    }

    /** The files of the machine that tests run on, some of them without an end, are no part of a configuration. */
    private static boolean leadsElsewhere(Map.Entry<String, String> entry) {
        String value = entry.getValue();
        try {
            Path path = Path.of(value.strip());
            return entry.getKey().endsWith("_FILE")
                    && (path.isAbsolute() || path.normalize().startsWith("..") || Files.exists(path));
        } catch (InvalidPathException e) {
            return false;
        }
    }

    /** Whether the secret stands in values of secrets only, if at all. */
    private static boolean mayNotBeTold(Map<String, String> entries) {
        return entries.entrySet().stream().noneMatch(entry -> {
            Optional<Key<?>> key = key(entry.getKey());
            boolean secret = key.isPresent() && key.get().isSecret();
            return entry.getKey().contains(SECRET)
                    || (!secret && entry.getValue().contains(SECRET));
        });
    }
}
