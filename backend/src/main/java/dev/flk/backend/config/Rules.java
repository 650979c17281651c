// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** What the constructor of a configuration record checks; it throws once, with every broken rule. */
final class Rules {
    /** Far above any sense, and far below where nanoseconds overflow. */
    private static final Duration LONGEST = Duration.ofDays(3650);

    private final List<String> broken = new ArrayList<>();

    Rules range(Key key, long value, long least, long most) {
        return require(
                value >= least && value <= most, "%s: %d is not from %d to %d".formatted(key, value, least, most));
    }

    Rules range(Key key, Duration value, Duration least, Duration most) {
        return require(
                value.compareTo(least) >= 0 && value.compareTo(most) <= 0,
                "%s: %dms is not from %dms to %dms"
                        .formatted(key, value.toMillis(), least.toMillis(), most.toMillis()));
    }

    Rules positive(Key key, Duration value) {
        return require(
                value.compareTo(Duration.ZERO) > 0 && value.compareTo(LONGEST) <= 0,
                "%s: a duration above 0, up to 3650d, is needed".formatted(key));
    }

    Rules notNegative(Key key, Duration value) {
        return require(
                !value.isNegative() && value.compareTo(LONGEST) <= 0,
                "%s: a duration from 0 to 3650d is needed".formatted(key));
    }

    Rules require(boolean holds, String problem) {
        if (!holds) {
            broken.add(problem);
        }
        return this;
    }

    void check() {
        if (!broken.isEmpty()) {
            throw new InvalidConfig(broken);
        }
    }
}
