// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A strict reader of the Prometheus and OpenMetrics text formats: every sample must have a suffix that the type of its
 * family allows.
 */
public final class ScrapedText {
    private static final Pattern SAMPLE =
            Pattern.compile("([a-zA-Z_:][a-zA-Z0-9_:]*)(\\{[^}]*\\})? (NaN|[-+]?Inf|[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)");
    private static final Map<String, Set<String>> PROMETHEUS_SUFFIXES = Map.of(
            "counter", Set.of(""),
            "gauge", Set.of(""),
            "untyped", Set.of(""),
            "histogram", Set.of("_bucket", "_count", "_sum"),
            "summary", Set.of("", "_count", "_sum"));
    private static final Map<String, Set<String>> OPEN_METRICS_SUFFIXES = Map.of(
            "counter", Set.of("_total", "_created"),
            "gauge", Set.of(""),
            "unknown", Set.of(""),
            "info", Set.of("_info"),
            "histogram", Set.of("_bucket", "_count", "_sum", "_created"),
            "summary", Set.of("", "_count", "_sum", "_created"));

    /** The type of each family, by name. */
    final Map<String, String> types = new LinkedHashMap<>();
    /** The value of each sample, by name and labels. */
    public final Map<String, String> samples = new LinkedHashMap<>();

    private ScrapedText() {}

    /** Returns the value of the sample whose line starts with this name and labels. */
    public static double sample(Metrics metrics, String name) {
        return Double.parseDouble(ofPrometheus(text(metrics)).samples.get(name));
    }

    /** Returns all families in the Prometheus text format. */
    public static String text(Metrics metrics) {
        return text(metrics, null);
    }

    public static String text(Metrics metrics, @Nullable String accept) {
        return new String(metrics.expose(Exposition.format(accept)).text(), StandardCharsets.UTF_8);
    }

    public static ScrapedText ofPrometheus(String text) {
        return new ScrapedText().read(text.lines().toList(), PROMETHEUS_SUFFIXES);
    }

    public static ScrapedText ofOpenMetrics(String text) {
        assertThat(text).endsWith("\n# EOF\n");
        List<String> lines = text.lines().toList();
        return new ScrapedText().read(lines.subList(0, lines.size() - 1), OPEN_METRICS_SUFFIXES);
    }

    private ScrapedText read(List<String> lines, Map<String, Set<String>> suffixesOfType) {
        String family = "";
        for (String line : lines) {
            if (line.startsWith("# TYPE ")) {
                String[] words = line.split(" ", 4);
                family = words[2];
                assertThat(types.put(family, words[3]))
                        .as("second family %s", family)
                        .isNull();
            } else if (!line.startsWith("# HELP ")) {
                Matcher sample = SAMPLE.matcher(line);
                assertThat(sample.matches()).as("a sample: %s", line).isTrue();
                String name = sample.group(1);
                assertThat(name).startsWith(family);
                if (types.containsKey(family)) {
                    assertThat(suffixesOfType.get(types.get(family)))
                            .as("suffix of %s, type %s", name, types.get(family))
                            .contains(name.substring(family.length()));
                }
                String labels = sample.group(2) == null ? "" : sample.group(2);
                assertThat(samples.put(name + labels, sample.group(3)))
                        .as("second sample %s", line)
                        .isNull();
            }
        }
        return this;
    }
}
