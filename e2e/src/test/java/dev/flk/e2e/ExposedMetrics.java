// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import dev.flk.e2e.Selector.Choice;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The samples of {@code /metrics}: by name, the labels that each has. */
final class ExposedMetrics {
    /** Prometheus itself gives these to whatever it scrapes. */
    private static final Set<String> OF_TARGETS = Set.of("job", "instance");

    private static final Pattern SAMPLE = Pattern.compile("([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\\{(.*)})? [^ ]+");
    private static final Pattern LABEL = Pattern.compile("([a-zA-Z_][a-zA-Z0-9_]*)=\"([^\"]*)\"");

    private final Map<String, List<Map<String, String>>> samples = new HashMap<>();

    /** Takes in what was scraped, in the text format. */
    void add(String scraped) {
        scraped.lines().filter(line -> !line.startsWith("#")).forEach(line -> {
            Matcher sample = SAMPLE.matcher(line);
            if (!sample.matches()) {
                throw new AssertionError("no sample: " + line);
            }
            Map<String, String> labels = new HashMap<>();
            Matcher label = LABEL.matcher(sample.group(2) == null ? "" : sample.group(2));
            while (label.find()) {
                labels.put(label.group(1), label.group(2));
            }
            samples.computeIfAbsent(sample.group(1), name -> new ArrayList<>()).add(labels);
        });
    }

    /** Whether some sample would be selected, and has every label that is asked for. */
    boolean has(Selector selector) {
        return samples.getOrDefault(selector.metric(), List.of()).stream()
                .anyMatch(labels -> selector.choices().stream().allMatch(choice -> isMet(choice, labels)));
    }

    /** Whether there are samples of that name, or of a histogram of that name. */
    boolean hasFamily(String name) {
        return samples.containsKey(name) || samples.containsKey(name + "_bucket");
    }

    private static boolean isMet(Choice choice, Map<String, String> labels) {
        if (OF_TARGETS.contains(choice.label())) {
            return true;
        }
        String value = labels.get(choice.label());
        if (value == null) {
            return false;
        }
        return switch (choice.operator()) {
            case "=" -> value.equals(choice.value());
            case "!=" -> !value.equals(choice.value());
            case "=~" -> value.matches(choice.value());
            default -> !value.matches(choice.value());
        };
    }

    /** Every label that some sample has, or that Prometheus gives. */
    Set<String> labels() {
        Set<String> labels = new TreeSet<>(OF_TARGETS);
        samples.values().forEach(all -> all.forEach(each -> labels.addAll(each.keySet())));
        return labels;
    }
}
