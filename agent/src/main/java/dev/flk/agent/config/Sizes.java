// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.config;

import java.time.Duration;
import java.util.Locale;

/** Sizes, durations and counts for people. */
public final class Sizes {
    private static final String[] UNITS = {"bytes", "KiB", "MiB", "GiB", "TiB"};

    private Sizes() {}

    /** {@code 1 certificate}, {@code 12 certificates}. */
    public static String count(long number, String one) {
        return number + " " + one + (number == 1 ? "" : "s");
    }

    /** {@code 512 bytes}, {@code 3.2 MiB}. */
    public static String inWords(long bytes) {
        double size = bytes;
        int unit = 0;
        while (size >= 1024 && unit < UNITS.length - 1) {
            size /= 1024;
            unit++;
        }
        return unit == 0 ? bytes + " bytes" : String.format(Locale.ROOT, "%.1f %s", size, UNITS[unit]);
    }

    /** {@code 12 s}, {@code 3 min 5 s}, {@code 2 h 30 min}, {@code 4 d 1 h}. */
    public static String inWords(Duration duration) {
        long seconds = duration.toSeconds();
        if (seconds < 60) {
            return seconds + " s";
        }
        if (seconds < 3600) {
            return seconds / 60 + " min " + seconds % 60 + " s";
        }
        if (seconds < 86_400) {
            return seconds / 3600 + " h " + seconds % 3600 / 60 + " min";
        }
        return seconds / 86_400 + " d " + seconds % 86_400 / 3600 + " h";
    }
}
