// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import dev.flk.canonical.CanonicalDouble;
import dev.flk.canonical.CanonicalString;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Writes one JSON object on one line, members in the order of the calls; reals in the shortest text that reads back. */
final class JsonLine {
    private final StringBuilder out = new StringBuilder(1024);

    void text(String name, String value) {
        member(name, CanonicalString.quote(value));
    }

    void integer(String name, long value) {
        member(name, Long.toString(value));
    }

    void real(String name, double value) {
        member(name, CanonicalDouble.print(value));
    }

    void integers(String name, int[] values) {
        member(name, Arrays.stream(values).mapToObj(Integer::toString).collect(Collectors.joining(",", "[", "]")));
    }

    void reals(String name, double[] values) {
        member(name, Arrays.stream(values).mapToObj(CanonicalDouble::print).collect(Collectors.joining(",", "[", "]")));
    }

    /** {@code {"2":7,"4":18}}. */
    void countsByScale(String name, int[] scales, long[] counts) {
        member(
                name,
                IntStream.range(0, scales.length)
                        .mapToObj(i -> "\"" + scales[i] + "\":" + counts[i])
                        .collect(Collectors.joining(",", "{", "}")));
    }

    /** {@code {"degraded":true,"fallbacks":["…"]}}. */
    void degraded(String name, List<String> fallbacks) {
        String names = fallbacks.stream().map(CanonicalString::quote).collect(Collectors.joining(",", "[", "]"));
        member(name, "{\"degraded\":true,\"fallbacks\":" + names + "}");
    }

    /** The whole object; nothing can be added after it. */
    String end() {
        return out.append('}').toString();
    }

    private void member(String name, String json) {
        out.append(out.length() == 0 ? '{' : ',')
                .append('"')
                .append(name)
                .append("\":")
                .append(json);
    }
}
