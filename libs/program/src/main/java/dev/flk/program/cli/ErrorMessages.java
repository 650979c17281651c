// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Locale;

/** Formats counts, sizes, durations and times for people. */
public final class ErrorMessages {
    private static final DateTimeFormatter MILLIS = DateTimeFormatter.ofPattern(
                    "uuuu-MM-dd'T'HH:mm:ss.SSSX", Locale.ROOT)
            .withZone(ZoneOffset.UTC);
    private static final String[] UNITS = {"KiB", "MiB", "GiB", "TiB", "PiB"};

    private ErrorMessages() {}

    /** Returns a count with its noun: {@code 1 record}, {@code 2 records}. */
    public static String count(long count, String singular) {
        return count + " " + singular + (count == 1 ? "" : "s");
    }

    /** Returns a size: {@code 512 B}, {@code 5.2 KiB}, {@code 64.0 MiB}. */
    public static String bytes(long bytes) {
        if (bytes < 1024) {
            return bytes + " B";
        }
        double value = bytes / 1024.0;
        int unit = 0;
        while (value >= 1023.95 && unit < UNITS.length - 1) {
            value /= 1024;
            unit++;
        }
        return String.format(Locale.ROOT, "%.1f %s", value, UNITS[unit]);
    }

    /** Returns a duration: {@code 12 s}, {@code 3 min 5 s}, {@code 2 h 30 min}, {@code 4 d 1 h}. */
    public static String duration(Duration duration) {
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

    /** Returns a time in UTC: {@code 2026-11-20T10:00:00.000Z}. */
    public static String time(long epochMillis) {
        return MILLIS.format(Instant.ofEpochMilli(epochMillis));
    }
}
