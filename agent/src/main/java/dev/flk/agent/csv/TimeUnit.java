// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.csv;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;

/** A unit of numeric times, with the instant at which its numbers start. */
public enum TimeUnit {
    S("seconds since 1970", "1", 0, false),
    MS("milliseconds since 1970", "0.001", 0, false),
    US("microseconds since 1970", "0.000001", 0, false),
    NS("nanoseconds since 1970", "0.000000001", 0, false),
    MIN("minutes since 1970", "60", 0, false),
    H("hours since 1970", "3600", 0, false),
    D("days since 1970", "86400", 0, false),
    EXCEL("days since 1900, as Excel counts them", "86400", -25_569L * 86_400, true),
    MATLAB("days since the year 0, as MATLAB counts them", "86400", -719_529L * 86_400, true),
    JULIAN("Julian days", "86400", -210_866_760_000L, false),
    LABVIEW("seconds since 1904, as LabVIEW counts them", "1", -2_082_844_800L, false),
    FILETIME("units of 100 ns since 1601, as Windows counts them", "0.0000001", -11_644_473_600L, false),
    DOTNET("units of 100 ns since the year 1, as .NET counts them", "0.0000001", -62_135_596_800L, true);

    private static final int DAY_SECONDS = 86_400;

    private final String meaning;
    private final BigDecimal unitSeconds;
    private final BigDecimal startSeconds;
    private final boolean isLocal;

    TimeUnit(String meaning, String unitSeconds, long startSeconds, boolean isLocal) {
        this.meaning = meaning;
        this.unitSeconds = new BigDecimal(unitSeconds);
        this.startSeconds = BigDecimal.valueOf(startSeconds);
        this.isLocal = isLocal;
    }

    /** Returns the unit with a name; empty if no unit has this name. */
    public static Optional<TimeUnit> of(String name) {
        return Arrays.stream(values())
                .filter(unit -> unit.wireName().equals(name))
                .findAny();
    }

    /** Returns the names of all units, separated by commas. */
    public static String names() {
        return Arrays.stream(values()).map(TimeUnit::wireName).collect(Collectors.joining(", "));
    }

    String wireName() {
        return name().toLowerCase(Locale.ROOT);
    }

    String meaning() {
        return meaning;
    }

    /** Returns whether the numbers count from a local time, so that the zone of the file applies. */
    boolean isLocal() {
        return isLocal;
    }

    /**
     * Returns a number of this unit in seconds since 1970. Numbers of days are rounded to milliseconds, because a
     * fraction of a day in decimals is rarely exact.
     */
    BigDecimal seconds(BigDecimal number) {
        BigDecimal seconds = number.multiply(unitSeconds).add(startSeconds);
        return startSeconds.signum() != 0 && unitSeconds.intValue() == DAY_SECONDS
                ? seconds.setScale(3, RoundingMode.HALF_UP)
                : seconds;
    }
}
