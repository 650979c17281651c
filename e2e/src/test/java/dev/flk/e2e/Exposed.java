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

    /** Every value that this label has at samples of this name. */
    Set<String> values(String sample, String label) {
        return samples.getOrDefault(sample, List.of()).stream()
                .map(labels -> labels.getOrDefault(label, ""))
                .collect(Collectors.toCollection(TreeSet::new));
    }
}
