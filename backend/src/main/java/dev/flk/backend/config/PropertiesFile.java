// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import java.io.IOException;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.stream.Stream;

/** The file of {@code --config}: Java properties in UTF-8, with the names of the environment and no others. */
final class PropertiesFile {
    private PropertiesFile() {}

    /** Reads the file; what is wrong with it goes to {@code problems}, the rest is returned. */
    static Map<String, String> read(Path file, List<String> problems) {
        Map<String, String> known = new TreeMap<>();
        Properties lines = new Properties() {
            private static final long serialVersionUID = 1;

            @Override
            public synchronized Object put(Object name, Object value) {
                take(known, (String) name, (String) value, file, problems);
                return "";
            }
        };
        try (Reader reader = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
            lines.load(reader);
        } catch (IOException | IllegalArgumentException e) {
            problems.add("--config %s: can't be read: %s".formatted(file, ReadFailure.why(e)));
        }
        return known;
    }

    private static void take(Map<String, String> known, String name, String value, Path file, List<String> problems) {
        if (names().noneMatch(name::equals) && !Key.GONE.containsKey(name)) {
            problems.add(
                    "%s: no such key in %s; did you mean %s?".formatted(name, file, NearestName.to(name, names())));
        } else if (known.put(name, value) != null) {
            problems.add("%s: stands twice in %s; remove one of the two".formatted(name, file));
        }
    }

    private static Stream<String> names() {
        return Arrays.stream(Key.values()).flatMap(key -> Stream.of(key.name(), key.inFile()));
    }
}
