// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.config;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.flk.agent.config.AgentConfig.Need;
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
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import org.junit.jupiter.params.provider.ArgumentsSource;

/** Any properties file: a configuration, or what is wrong with it, all of it in words and without a secret. */
class AgentConfigFuzzTest {
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
        if (entries.entrySet().stream().anyMatch(AgentConfigFuzzTest::leadsElsewhere)) {
            return;
        }
        Files.write(file, text);

        List<String> problems = load(Map.of(), file);
        assertThat(load(Map.of(), file)).isEqualTo(problems);
        problems.forEach(problem -> assertThat(problem).isNotBlank().doesNotContain("null"));
        if (mayNotBeTold(entries)) {
            problems.forEach(problem -> assertThat(problem).doesNotContain(SECRET));
        }
        boolean sayable = entries.entrySet().stream()
                .allMatch(entry -> entry.getValue().indexOf('\uFFFD') < 0
                        && key(entry.getKey().replaceFirst("_FILE$", "")).isPresent());
        boolean inFileOnly = problems.stream()
                .anyMatch(problem -> problem.startsWith("--config ") || problem.contains("is set twice"));
        if (sayable && !inFileOnly) {
            assertThat(load(entries, null).isEmpty()).isEqualTo(problems.isEmpty());
        }
    }

    private static List<String> load(Map<String, String> environment, Path file) {
        try {
            AgentConfig config = AgentConfig.load(environment, file, EnumSet.allOf(Need.class));
            assertThat(config.toString()).doesNotContain(SECRET + "-key");
            assertThat(config.neededRestart(config)).isEmpty();
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

    /** The files of the machine that tests run on, some of them without an end, are no part of a configuration. */
    private static boolean leadsElsewhere(Map.Entry<String, String> entry) {
        try {
            Path path = Path.of(entry.getValue());
            return entry.getKey().endsWith("_FILE")
                    && (path.isAbsolute() || path.normalize().startsWith("..") || Files.exists(path));
        } catch (InvalidPathException e) {
            return false;
        }
    }

    /** Whether the secret stands in values of secrets only, if at all. */
    private static boolean mayNotBeTold(Map<String, String> entries) {
        return entries.entrySet().stream()
                .noneMatch(entry -> entry.getKey().contains(SECRET)
                        || (!key(entry.getKey()).map(Key::isSecret).orElse(false)
                                && entry.getValue().contains(SECRET)));
    }

    private static Optional<Key<?>> key(String name) {
        return AgentConfig.KEYS.stream().filter(key -> key.name().equals(name)).findFirst();
    }
}
