// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The rules of {@code alerts/} with windows of seconds for those of hours and days, in the same order of length: what makes an alert
 * fire and end stays the same, but for how long it takes. Limits of a share, a rate or of bytes are left alone; those of a time are
 * not.
 */
final class HastenedRules {
    private static final Pattern RANGE = Pattern.compile("(?<=\\[|offset )[0-9]+[mhd]\\b");
    private static final Pattern FOR = Pattern.compile("(?<=for: )[0-9]+[mhd]\\b");

    /** Above five seconds where it is about a disk: a backend looks that often how much is free. */
    private static final Map<String, String> RANGES =
            Map.of("5m", "2s", "30m", "8s", "1h", "9s", "6h", "10s", "3d", "11s", "1d", "60s");

    private static final Map<String, String> FORS =
            Map.of("1m", "1s", "2m", "1s", "5m", "1s", "10m", "2s", "15m", "2s", "1h", "2s");

    private HastenedRules() {}

    static String of(String rules) {
        return replace(FOR, FORS, replace(RANGE, RANGES, rules))
                .replace("> bool 3600", "> bool 2")
                .replace("> bool 60", "> bool 1");
    }

    private static String replace(Pattern time, Map<String, String> seconds, String rules) {
        return time.matcher(rules).replaceAll(found -> {
            String hastened = seconds.get(found.group());
            if (hastened == null) {
                throw new AssertionError("say how long " + found.group() + " is to be here");
            }
            return Matcher.quoteReplacement(hastened);
        });
    }
}
