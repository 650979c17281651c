// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import dev.flk.backend.config.Setting.Origin;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The settings as typed values. A malformed one is remembered as a problem and its default stands in, so that reading
 * goes on and finds the next problem; nothing is started from such values.
 */
final class Values {
    private final Settings settings;
    private final List<String> problems;
    private final Set<Key> malformed = EnumSet.noneOf(Key.class);

    Values(Settings settings, List<String> problems) {
        this.settings = settings;
        this.problems = problems;
    }

    /** The value of a key that has a default. */
    <T> T of(Key key, Function<String, T> parse) {
        return find(key, parse).orElseGet(() -> parse.apply(key.defaultText().orElseThrow()));
    }

    /** The value of a key that has none; empty if it is not set or malformed. */
    <T> Optional<T> find(Key key, Function<String, T> parse) {
        return settings.get(key).flatMap(setting -> parsed(key, setting, parse));
    }

    /** What is set, by name, defaults included; a secret is only said to be set. */
    Map<String, String> shown() {
        Map<String, String> shown = new TreeMap<>();
        for (Key key : Key.values()) {
            settings.get(key)
                    .ifPresent(setting -> shown.put(key.name(), ConfigForDiagnosis.shown(key, setting.text())));
        }
        return shown;
    }

    boolean isSet(Key key) {
        return settings.get(key).isPresent();
    }

    /** Whether there is a value, or one that can't be read: then that is the problem to tell, and none that follows from it. */
    boolean isGiven(Key key) {
        return isSet(key) || settings.isUnreadable(key);
    }

    /** Whether a value was given that can't be had; what stands in for it must not be held against others. */
    boolean isBroken(Key key) {
        return malformed.contains(key) || settings.isUnreadable(key);
    }

    /** Remembers what is wrong with how keys go together. */
    void problem(String problem) {
        problems.add(problem);
    }

    /** What {@code section} constructs; null, with every rule it broke remembered, if it could not be constructed. */
    <T> @Nullable T section(Supplier<T> section) {
        try {
            return section.get();
        } catch (InvalidConfig e) {
            problems.addAll(e.problems());
            return null;
        }
    }

    private <T> Optional<T> parsed(Key key, Setting setting, Function<String, T> parse) {
        try {
            return Optional.of(
                    parse.apply(key.isSecret() ? setting.text() : setting.text().strip()));
        } catch (IllegalArgumentException e) {
            malformed.add(key);
            String shown =
                    key.isSecret() || setting.origin() == Origin.DEFAULT ? "the value" : "'" + setting.text() + "'";
            problems.add("%s: %s is %s (%s)".formatted(key, shown, e.getMessage(), setting.origin()));
            return Optional.empty();
        }
    }
}
