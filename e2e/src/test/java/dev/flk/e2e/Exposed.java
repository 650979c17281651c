// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
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
 * @param samples for each name of a sample the labels of each
 */
record Exposed(Map<String, String> types, Map<String, List<Map<String, String>>> samples) {
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
        Map<String, String> labels = new TreeMap<>();
        if (sample.group(2) != null) {
            LABEL.matcher(sample.group(2)).results().forEach(label -> labels.put(label.group(1), label.group(2)));
        }
        samples.computeIfAbsent(sample.group(1), name -> new ArrayList<>()).add(labels);
    }

    /** What both show together. */
    Exposed and(Exposed other) {
        Exposed both = new Exposed(new TreeMap<>(types), new TreeMap<>(samples));
        both.types.putAll(other.types);
        other.samples.forEach((name, all) -> both.samples.merge(name, all, Exposed::joined));
        return both;
    }

    private static <T> List<T> joined(List<T> one, List<T> other) {
        return Stream.concat(one.stream(), other.stream()).toList();
    }

    /** This, and what Prometheus itself knows: whether a target answers, and what its rules record. */
    Exposed andRecorded(Set<String> names) {
        Exposed both = new Exposed(new TreeMap<>(types), new TreeMap<>(samples));
        both.samples.put("up", List.of(Map.of()));
        names.forEach(name -> both.samples.put(name, List.of(Map.of())));
        return both;
    }

    /** Whether there are samples of that name, or of a histogram of that name. */
    boolean hasFamily(String name) {
        return hasSample(name) || hasSample(name + "_bucket");
    }

    boolean hasSample(String name) {
        return samples.containsKey(name);
    }

    /** Every value that this label has at samples of this name; none if it has no such label. */
    Set<String> values(String sample, String label) {
        return labelsOfSamples(sample).getOrDefault(label, Set.of());
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
        Stream.of("", "_count").map(suffix -> labelsOfSamples(family + suffix)).forEach(labels::putAll);
        return labels;
    }

    private Map<String, Set<String>> labelsOfSamples(String name) {
        Map<String, Set<String>> labels = new TreeMap<>();
        samples.getOrDefault(name, List.of())
                .forEach(each -> each.forEach((label, value) ->
                        labels.computeIfAbsent(label, any -> new TreeSet<>()).add(value)));
        return labels;
    }
}
