// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Tests that every setting of a program keeps its promises, for every row of a table that the program's test provides.
 *
 * @param <C> the program's configuration
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
public abstract class KeysContract<C> {
    /** A password in malformed values; no problem may contain it. */
    protected static final String SECRET = "do-not-print-me";

    private static final String NOWHERE = "/no/such/file";

    @TempDir
    protected Path directory;

    /** Returns the settings of the smallest valid configuration. */
    protected abstract Map<String, String> minimum();

    /**
     * Returns a table with at least one row for each key. The cells are: key | accessors of a value in the
     * configuration | the value without the settings | settings | the value with them | malformed values, each of which
     * is one problem that names the key. Settings and malformed values are separated by semicolons; a value that does
     * not exist is written as {@code -}, and a space as {@code ␣}.
     */
    protected abstract String table();

    /**
     * Returns a line for each key that is compared with another setting: the key, and a value of the other setting that
     * conflicts with the default of the key, such as {@code BASE_DELAY | MAX_DELAY=500ms}.
     */
    protected abstract String compared();

    /** Returns the page that has the table of keys. */
    protected Path page() {
        return Path.of("../docs/configuration.md");
    }

    /** Returns abbreviations in the table and what they stand for. */
    protected abstract Map<String, String> parts();

    protected abstract List<Key<?>> keys();

    protected abstract C load(Map<String, String> environment, @Nullable Path file);

    protected abstract Diagnosed<C> diagnose(Map<String, String> environment);

    record Row(Key<?> key, String read, String byDefault, String settings, String effect, String malformed) {
        @Override
        public String toString() {
            return key + " " + read;
        }
    }

    Stream<Row> rows() {
        Map<String, Key<?>> keys = keys().stream().collect(Collectors.toMap(Key::name, key -> key));
        return table().lines().map(line -> {
            String[] cells =
                    Arrays.stream(line.split("\\|", -1)).map(String::strip).toArray(String[]::new);
            return new Row(keys.get(cells[0]), cells[1], cells[2], cells[3], cells[4], cells[5]);
        });
    }

    Stream<Row> secrets() {
        return rows().filter(row -> row.key.isSecret());
    }

    Stream<String[]> comparedKeys() {
        return compared().lines().map(line -> line.split(" \\| ", -1));
    }

    @Test
    void configurationPage_containsTheTableOfKeys() {
        assertThat(page()).content().contains(Key.table(keys()));
    }

    @Test
    void table_hasEveryKey() {
        assertThat(rows().<Key<?>>map(Row::key).distinct()).hasSameElementsAs(keys());
    }

    @ParameterizedTest
    @MethodSource("rows")
    void key_defaultEnvironmentFileAndConfigurationFile_takeEffect(Row row) throws IOException {
        Map<String, String> environment = environment(row);
        Map<String, String> fromFile = new HashMap<>(environment);
        String value = fromFile.remove(row.key.name());
        if (value != null) {
            Path file = Files.writeString(directory.resolve("value"), value + "\n");
            fromFile.put(row.key.nameOfFile(), row.key.shown() == Key.Shown.FILE_NAME ? value : file.toString());
        }
        Properties properties = new Properties();
        properties.putAll(environment);
        Path config = directory.resolve("flk.properties");
        try (Writer writer = Files.newBufferedWriter(config)) {
            properties.store(writer, null);
        }

        assertThat(read(load(minimum(), null), row.read)).isEqualTo(filled(row.byDefault));
        assertThat(List.of(load(environment, null), load(fromFile, null), load(Map.of(), config)))
                .extracting(loaded -> read(loaded, row.read))
                .containsOnly(filled(row.effect));
    }

    @ParameterizedTest
    @MethodSource("rows")
    void malformedValue_isOneProblemThatNamesTheKey(Row row) {
        if (!row.malformed.isEmpty()) {
            for (String value : filled(row.malformed).split(";", -1)) {
                Map<String, String> environment = environment(row);
                environment.put(row.key.name(), value);

                assertThat(problem(environment))
                        .as("%s=%s", row.key, value)
                        .contains(row.key.name())
                        .doesNotContain(SECRET);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("rows")
    void missingFileOfAValue_isTheOnlyProblem(Row row) {
        Map<String, String> environment = environment(row);
        environment.remove(row.key.name());
        environment.put(row.key.nameOfFile(), NOWHERE);

        assertThat(problem(environment)).startsWith(missing(row.key));
    }

    @ParameterizedTest
    @MethodSource("comparedKeys")
    void missingOrMalformedValue_isNotComparedWithAnother(String name, String other) {
        String[] sides = other.split("=", 2);
        Map<String, String> environment = new HashMap<>(minimum());
        environment.put(sides[0], sides[1]);
        environment.put(name + "_FILE", NOWHERE);
        assertThat(problem(environment)).startsWith(name + "_FILE: " + NOWHERE + " can't be read");

        environment.remove(name + "_FILE");
        environment.put(name, NOWHERE);
        assertThat(problem(environment)).startsWith(name + ": ");
    }

    @ParameterizedTest
    @MethodSource("secrets")
    void secret_isKnownAndNotShown(Row row) {
        List<String> secrets = new Settings(List.of(row.key), environment(row), null).secrets();
        assumeThat(secrets).isNotEmpty();

        Diagnosed<C> diagnosed = diagnose(environment(row));

        assertThat(diagnosed.secrets()).containsAll(secrets);
        assertThat(diagnosed.text()).doesNotContain(secrets);
        assertThat(diagnosed.config().orElseThrow().toString()).doesNotContain(secrets);
    }

    private String missing(Key<?> key) {
        return key.shown() == Key.Shown.FILE_NAME
                ? key.name()
                : key.nameOfFile() + ": " + NOWHERE + " can't be read: there is no such file";
    }

    private String problem(Map<String, String> environment) {
        InvalidConfig invalid = catchThrowableOfType(InvalidConfig.class, () -> load(environment, null));
        assertThat(invalid).as("%s", environment).isNotNull();
        assertThat(invalid.problems()).hasSize(1);
        return invalid.problems().get(0);
    }

    private String filled(String text) {
        String filled = text.replace('␣', ' ');
        for (Map.Entry<String, String> part : parts().entrySet()) {
            filled = filled.replace(part.getKey(), part.getValue());
        }
        return filled.replace("{dir}", directory.toString()).replace("{secret}", SECRET);
    }

    private Map<String, String> environment(Row row) {
        Map<String, String> environment = new HashMap<>(minimum());
        Arrays.stream(filled(row.settings).split(";", -1))
                .map(setting -> setting.split("=", 2))
                .filter(sides -> sides.length == 2)
                .forEach(sides -> environment.put(sides[0], sides[1]));
        return environment;
    }

    /**
     * Calls the accessors one after the other and returns the last value; {@code -} if an accessor does not exist or
     * returns null or empty.
     */
    private static String read(Object config, String accessors) {
        Object value = config;
        for (String accessor : accessors.split("\\.", -1)) {
            value = step(value, accessor);
        }
        return value == null ? "-" : value.toString();
    }

    private static @Nullable Object step(@Nullable Object of, String accessor) {
        if (of instanceof List<?> list) {
            return list.stream().map(each -> step(each, accessor)).collect(Collectors.toList());
        }
        try {
            Object value = of == null ? null : of.getClass().getMethod(accessor).invoke(of);
            return value instanceof Optional<?> optional ? optional.orElse(null) : value;
        } catch (NoSuchMethodException e) {
            return null;
        } catch (ReflectiveOperationException e) {
            throw new LinkageError(accessor, e);
        }
    }
}
