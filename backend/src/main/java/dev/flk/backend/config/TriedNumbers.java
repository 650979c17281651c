// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/** Numbers of a policy that somebody wants to try, {@code NAME=VALUE} by the names of the configuration. */
final class TriedNumbers {
    private static final Set<Key> NUMBERS = EnumSet.range(Key.TOL_D, Key.BUDGET_D0);

    private TriedNumbers() {}

    /** The texts of the values; what can't be told from {@code tried} goes to {@code problems}. */
    static Map<Key, String> read(List<String> tried, List<String> problems) {
        Map<Key, String> read = new EnumMap<>(Key.class);
        for (String one : tried) {
            int end = one.indexOf('=');
            String name = end < 0 ? one : one.substring(0, end);
            Optional<Key> key = Key.of(name).filter(NUMBERS::contains);
            if (key.isEmpty()) {
                problems.add("--set %s: the policy has no such number; did you mean %s? It has %s"
                        .formatted(
                                one,
                                NearestName.to(name, NUMBERS.stream().map(Key::name)),
                                NUMBERS.stream().map(Key::name).collect(Collectors.joining(", "))));
            } else if (end < 0) {
                problems.add("--set %s: has no value; write it like %s=%s"
                        .formatted(one, name, key.get().defaultText().orElseThrow()));
            } else if (read.put(key.get(), one.substring(end + 1)) != null) {
                problems.add("--set %s: %s is given twice; which is it?".formatted(one, name));
            }
        }
        return read;
    }
}
