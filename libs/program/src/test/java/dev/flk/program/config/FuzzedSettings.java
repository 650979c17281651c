// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.config;

import static org.assertj.core.api.Assertions.assertThat;

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
import org.jspecify.annotations.Nullable;

/**
 * A check that any properties file is either a valid configuration or has problems with a message, and that the same
 * entries in the environment give the same result.
 */
public final class FuzzedSettings {
    /** A text that secrets contain. If only secrets in the input contain this text, no output may contain it. */
    public static final String SECRET = "hunter2-hunter2";

    private final List<Key<?>> keys;
    private final Loader loader;
    private final Path file;

    /** A function that loads a configuration or throws an {@link InvalidConfig}. */
    public interface Loader {
        Object load(Map<String, String> environment, @Nullable Path file);
    }

    public FuzzedSettings(List<Key<?>> keys, Loader loader) {
        this.keys = keys;
        this.loader = loader;
        try {
            file = Files.createTempFile("fuzz", ".properties");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        file.toFile().deleteOnExit();
    }

    /** Returns the file if it is a valid configuration in which only secrets contain {@link #SECRET}. */
    public Optional<Path> check(byte[] text) throws IOException {
        Map<String, String> entries = entries(text);
        if (entries.entrySet().stream().anyMatch(FuzzedSettings::leadsElsewhere)) {
            return Optional.empty();
        }
        Files.write(file, text);
        List<String> problems = problems(Map.of(), file);
        assertThat(problems(Map.of(), file)).isEqualTo(problems);
        boolean mayHaveNull = new String(text, StandardCharsets.UTF_8).contains("null");
        problems.forEach(problem -> assertThat(problem)
                .isNotBlank()
                .satisfies(each ->
                        assertThat(mayHaveNull || !each.contains("null")).isTrue()));
        boolean isSecretOnly = isSecretOnly(entries);
        if (isSecretOnly) {
            problems.forEach(problem -> assertThat(problem).doesNotContain(SECRET));
        }
        assertSameFromTheEnvironment(entries, problems);
        return isSecretOnly && problems.isEmpty() ? Optional.of(file) : Optional.empty();
    }

    /** Checks that an environment with the same entries is equally valid, unless only a file can have such entries. */
    private void assertSameFromTheEnvironment(Map<String, String> entries, List<String> problems) {
        boolean isPossible = entries.entrySet().stream()
                .allMatch(entry -> !entry.getValue().isEmpty()
                        && entry.getValue().indexOf('\uFFFD') < 0
                        && (key(entry.getKey()).isPresent()
                                || key(entry.getKey().replaceFirst("_FILE$", ""))
                                        .isPresent()));
        boolean inFileOnly = problems.stream()
                .anyMatch(problem -> problem.startsWith("--config ") || problem.contains("is set twice"));
        if (isPossible && !inFileOnly) {
            assertThat(problems(entries, null).isEmpty()).isEqualTo(problems.isEmpty());
        }
    }

    private List<String> problems(Map<String, String> environment, @Nullable Path from) {
        try {
            assertThat(loader.load(environment, from)).isNotNull();
            return List.of();
        } catch (InvalidConfig e) {
            assertThat(e.problems()).isNotEmpty();
            return e.problems();
        }
    }

    /** Returns the entries that the JDK reads; among duplicates, the last entry. */
    public static Map<String, String> entries(byte[] text) {
        Properties properties = new Properties();
        try {
            properties.load(new StringReader(new String(text, StandardCharsets.UTF_8)));
        } catch (IOException | IllegalArgumentException e) {
            // the lines before the malformed one were read
        }
        Map<String, String> entries = new HashMap<>();
        properties.stringPropertyNames().forEach(name -> entries.put(name, properties.getProperty(name)));
        return entries;
    }

    private Optional<Key<?>> key(String name) {
        return keys.stream().filter(key -> key.name().equals(name)).findFirst();
    }

    /** Returns whether an entry names a file of this machine. Reading such a file may never end. */
    private static boolean leadsElsewhere(Map.Entry<String, String> entry) {
        try {
            Path path = Path.of(entry.getValue().strip());
            return entry.getKey().endsWith("_FILE")
                    && (path.isAbsolute() || path.normalize().startsWith("..") || Files.exists(path));
        } catch (InvalidPathException e) {
            return false;
        }
    }

    private boolean isSecretOnly(Map<String, String> entries) {
        return entries.entrySet().stream()
                .noneMatch(entry -> entry.getKey().contains(SECRET)
                        || (!key(entry.getKey()).map(Key::isSecret).orElse(false)
                                && entry.getValue().contains(SECRET)));
    }
}
