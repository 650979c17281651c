// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What a program shows at {@code /metrics}, in the Prometheus text format.
 *
 * @param types the type of each family by its name
 * @param samples for each name of a sample the values of each of its labels
 */
record Exposed(Map<String, String> types, Map<String, Map<String, Set<String>>> samples) {
    private static final Pattern SAMPLE = Pattern.compile("([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\\{(.*)})? \\S+");
    private static final Pattern LABEL = Pattern.compile("([a-zA-Z_]+)=\"((?:[^\"\\\\]|\\\\.)*)\",?");

    static Exposed of(String text) {
        Exposed exposed = new Exposed(new TreeMap<>(), new TreeMap<>());
        for (String line : text.lines().toList()) {
            if (line.startsWith("# TYPE ")) {
                String[] words = line.split(" ", 4);
                exposed.types.put(words[2], words[3]);
            } else if (!line.startsWith("#")) {
                exposed.add(line);
            }
        }
        return exposed;
    }

    private void add(String line) {
        Matcher sample = SAMPLE.matcher(line);
        assertThat(sample.matches()).as("a sample: %s", line).isTrue();
        Map<String, Set<String>> labels = samples.computeIfAbsent(sample.group(1), name -> new TreeMap<>());
        if (sample.group(2) != null) {
            LABEL.matcher(sample.group(2))
                    .results()
                    .forEach(label -> labels.computeIfAbsent(label.group(1), name -> new TreeSet<>())
                            .add(label.group(2)));
        }
    }

    /** What both show together. */
    Exposed and(Exposed other) {
        Exposed both = new Exposed(new TreeMap<>(types), new TreeMap<>(samples));
        both.types.putAll(other.types);
        both.samples.putAll(other.samples);
        return both;
    }

    boolean hasSample(String name) {
        return samples.containsKey(name);
    }

    /** Every value that this label has at samples of this name; none if it has no such label. */
    Set<String> values(String sample, String label) {
        return samples.getOrDefault(sample, Map.of()).getOrDefault(label, Set.of());
    }

    /** The families of our own; not those that the client library adds to say when each began to count. */
    Set<String> ownFamilies() {
        return types.keySet().stream()
                .filter(family -> family.startsWith("flk_") && !family.endsWith("_created"))
                .collect(Collectors.toCollection(TreeSet::new));
    }

    /** The labels of a family with their values, but for the bounds of a histogram. */
    Map<String, Set<String>> labelsOf(String family) {
        Map<String, Set<String>> labels = new TreeMap<>();
        Stream.of("", "_count")
                .map(suffix -> samples.getOrDefault(family + suffix, Map.of()))
                .forEach(labels::putAll);
        return labels;
    }
}
