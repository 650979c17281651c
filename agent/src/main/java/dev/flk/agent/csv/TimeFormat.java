// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.csv;

import dev.flk.agent.csv.CsvTimes.NotATime;
import dev.flk.canonical.CanonicalDouble;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.text.ParsePosition;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.time.temporal.ChronoField;
import java.time.temporal.TemporalAccessor;
import java.time.temporal.TemporalQueries;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The form of times that are texts: ISO 8601, or a pattern of {@link DateTimeFormatter}. {@link DateTimeFormatter}
 * drops or guesses what a text does not determine; this class refuses such texts.
 *
 * <ul>
 *   <li>Letters that have several meanings are no part of a pattern: those that count weeks, which begin on different
 *       days in different countries, those for names of zones that mean a region instead of an offset, and the one that
 *       reads the digits of a fraction as a number of nanoseconds.
 *   <li>A name of a zone means its own offset on every day of the year. {@link DateTimeFormatter} would read CET as the
 *       time of Paris, which is an hour less in summer.
 *   <li>A text with a part of a time of day must determine all of it.
 *   <li>Years of two digits must be before 2038, unless the 100 years that they mean are given.
 * </ul>
 */
public final class TimeFormat {
    /** ISO 8601. The letter T may be a blank, and UTC or GMT may replace the letter Z. */
    static final TimeFormat ISO = new TimeFormat(
            new DateTimeFormatterBuilder()
                    .append(DateTimeFormatter.ISO_LOCAL_DATE)
                    .optionalStart()
                    .appendLiteral('T')
                    .append(DateTimeFormatter.ISO_LOCAL_TIME)
                    .optionalStart()
                    .parseLenient() // an offset may lack the minutes
                    .appendOffset("+HHmm", "Z")
                    .toFormatter(Locale.ROOT),
            false,
            YearDigits.FOUR,
            "");

    private static final int HOURS_OF_DAY = 24;
    /** The year in which a signed number of 32 bits can no longer count the seconds since 1970. */
    private static final int FIRST_DOUBTFUL_YEAR = 2038;

    private static final int USUAL_FIRST_YEAR = 2000;
    private static final int TWO_DIGITS = 100;
    private static final int NANO_DIGITS = 9;

    private static final Pattern PART = Pattern.compile("'[^']*'|([A-Za-z])\\1*|[^A-Za-z']+");
    private static final String COUNTS_WEEKS = "YwWec";

    /** The names of zones that have one meaning, with their offsets in hours. UTC and GMT need no mention. */
    private static final Map<String, Integer> ZONE_NAMES = new TreeMap<>(Map.ofEntries(
            Map.entry("WET", 0),
            Map.entry("WEST", 1),
            Map.entry("CET", 1),
            Map.entry("CEST", 2),
            Map.entry("MET", 1),
            Map.entry("MEST", 2),
            Map.entry("MEZ", 1),
            Map.entry("MESZ", 2),
            Map.entry("EET", 2),
            Map.entry("EEST", 3),
            Map.entry("JST", 9),
            Map.entry("KST", 9),
            Map.entry("AEST", 10),
            Map.entry("AEDT", 11),
            Map.entry("NZST", 12),
            Map.entry("NZDT", 13)));

    private static final Pattern ZONE_NAME =
            Pattern.compile("(?i)(?<![\\p{L}/_])(" + String.join("|", ZONE_NAMES.keySet()) + ")(?![\\p{L}/_])");
    /** Names of zones that Java reads, depending on its version, with or without daylight saving time. */
    private static final Pattern DOUBTFUL_ZONE = Pattern.compile("CET|EET|MET|WET|EST|MST|HST");

    private final DateTimeFormatter formatter;
    private final boolean hasZoneNames;
    private final YearDigits years;
    /** The pattern and the first year from which the format was created. */
    private final String origin;

    private enum YearDigits {
        FOUR,
        ANY,
        TWO,
        TWO_WITH_FIRST_YEAR
    }

    private TimeFormat(DateTimeFormatter formatter, boolean hasZoneNames, YearDigits years, String origin) {
        this.formatter = formatter;
        this.hasZoneNames = hasZoneNames;
        this.years = years;
        this.origin = origin;
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof TimeFormat format && origin.equals(format.origin);
    }

    @Override
    public int hashCode() {
        return origin.hashCode();
    }

    /**
     * A time in a text.
     *
     * @param zone the zone in the text; empty if the text has none
     */
    record Written(LocalDateTime local, Optional<ZoneId> zone, boolean isDay) {}

    /**
     * Returns the format for a pattern of {@link DateTimeFormatter}. English names of months and days are accepted in
     * upper or lower case.
     *
     * @param firstYear the first of the 100 years that years of two digits mean; if empty, 2000, and years from 2038 on
     *     are refused
     * @throws IllegalArgumentException if the pattern is not valid, or has letters with several meanings; the message
     *     says what to do
     */
    public static TimeFormat of(String pattern, OptionalInt firstYear) {
        DateTimeFormatterBuilder builder = new DateTimeFormatterBuilder().parseCaseInsensitive();
        StringBuilder before = new StringBuilder();
        boolean hasZoneNames = false;
        YearDigits years = YearDigits.FOUR;
        Matcher part = PART.matcher(pattern);
        int end = 0;
        while (part.find() && part.start() == end) {
            String letters = part.group();
            char letter = part.group(1) == null ? 0 : letters.charAt(0);
            requireOneMeaning(letters, letter);
            boolean isYear = letter == 'y' || letter == 'u';
            if (isYear && letters.length() == 2) {
                years = firstYear.isPresent() ? YearDigits.TWO_WITH_FIRST_YEAR : YearDigits.TWO;
                builder.appendPattern(before.toString())
                        .appendValueReduced(
                                letter == 'y' ? ChronoField.YEAR_OF_ERA : ChronoField.YEAR,
                                2,
                                2,
                                LocalDate.of(firstYear.orElse(USUAL_FIRST_YEAR), 1, 1));
                before.setLength(0);
            } else {
                years = isYear && letters.length() == 1 && years == YearDigits.FOUR ? YearDigits.ANY : years;
                hasZoneNames |= letter == 'z' || letter == 'V';
                before.append(letter == 'z' ? "VV" : letters);
            }
            end = part.end();
        }
        if (firstYear.isPresent() && years != YearDigits.TWO_WITH_FIRST_YEAR) {
            throw new IllegalArgumentException("it has no years of two digits, yy, so --years-from has no meaning");
        }
        builder.appendPattern(before + pattern.substring(end)); // the rest has a quote that is not closed
        return new TimeFormat(builder.toFormatter(Locale.ENGLISH), hasZoneNames, years, pattern + firstYear);
    }

    private static void requireOneMeaning(String letters, char letter) {
        if (letter != 0 && COUNTS_WEEKS.indexOf(letter) >= 0) {
            throw new IllegalArgumentException("the letter " + letter + " counts weeks, which begin on other days in"
                    + " other countries; write the date with y, M and d");
        }
        if (letter == 'n' && letters.length() < NANO_DIGITS) {
            throw new IllegalArgumentException(
                    "the letter n counts nanoseconds, so that .5 would be 5 of them; write S,"
                            + " once for each digit after the point");
        }
        if (letter == 'v' || letters.equals("zzzz")) {
            throw new IllegalArgumentException((letter == 'v' ? "the letter v reads" : "the letters zzzz read")
                    + " names of zones that mean no offset; write the name in quotes, and give its --time-zone");
        }
    }

    /** Returns whether a zone given by a user may be meant with or without daylight saving time. */
    public static boolean isDoubtful(ZoneId zone) {
        return DOUBTFUL_ZONE.matcher(zone.getId()).matches();
    }

    /** Returns the time in a text; empty if the text is not a time of this format. */
    Optional<Written> read(String text) throws NotATime {
        Optional<ZoneId> name = Optional.empty();
        String plain = equals(ISO) ? iso(text) : text;
        if (hasZoneNames) {
            Matcher matcher = ZONE_NAME.matcher(text);
            if (matcher.find()) {
                name = Optional.of(ZoneOffset.ofHours(
                        ZONE_NAMES.getOrDefault(matcher.group(1).toUpperCase(Locale.ROOT), 0)));
                plain = text.substring(0, matcher.start()) + "Z" + text.substring(matcher.end());
            }
        }
        TemporalAccessor parsed;
        try {
            parsed = formatter.parse(plain);
        } catch (DateTimeException e) {
            return Optional.empty();
        }
        LocalDate date = parsed.query(TemporalQueries.localDate());
        Optional<ZoneId> zone = name.or(() -> zone(parsed));
        if (date == null || zone.filter(TimeFormat::isDoubtful).isPresent()) {
            return Optional.empty();
        }
        LocalTime time = parsed.query(TemporalQueries.localTime());
        LocalDateTime local = date.atTime(time == null ? LocalTime.MIDNIGHT : time);
        requireYear(date.getYear());
        if (!equals(ISO)) {
            requireTimeOfDay(raw(plain), time != null);
        }
        requireDay(plain, local);
        return Optional.of(new Written(local, zone, time == null));
    }

    private static String iso(String text) {
        return text.replaceFirst("(?<=\\d) +(?=\\d)", "T")
                .replaceFirst("(?<=\\d) *(?:UTC|GMT)$", "Z")
                .replaceFirst(" +(?=[Z+-])", "")
                .replaceFirst("(?<=[+-]\\d\\d):(?=\\d\\d$)", "");
    }

    private TemporalAccessor raw(String text) {
        return formatter.parseUnresolved(text, new ParsePosition(0));
    }

    private static Optional<ZoneId> zone(TemporalAccessor parsed) {
        return Optional.ofNullable(
                parsed.isSupported(ChronoField.OFFSET_SECONDS)
                        ? ZoneOffset.ofTotalSeconds(parsed.get(ChronoField.OFFSET_SECONDS))
                        : parsed.query(TemporalQueries.zoneId()));
    }

    /** Requires that Java did not drop a part of a time of day, or guess the hour of a half of a day. */
    private static void requireTimeOfDay(TemporalAccessor raw, boolean hasTime) throws NotATime {
        boolean hasHour = raw.isSupported(ChronoField.HOUR_OF_DAY) || raw.isSupported(ChronoField.CLOCK_HOUR_OF_DAY);
        boolean hasHalfHour =
                raw.isSupported(ChronoField.CLOCK_HOUR_OF_AMPM) || raw.isSupported(ChronoField.HOUR_OF_AMPM);
        boolean hasHalf = raw.isSupported(ChronoField.AMPM_OF_DAY);
        boolean isExact = raw.isSupported(ChronoField.MILLI_OF_DAY) || raw.isSupported(ChronoField.NANO_OF_DAY);
        String why = null;
        if (hasTime && !hasHour && !hasHalfHour && !isExact) {
            why = "a and B need an hour; write h for hours from 1 to 12";
        } else if (!hasTime && (hasHour || (hasHalfHour && hasHalf))) {
            why = "it has an hour and smaller units, but not all between them: write them as in HH:mm:ss";
        } else if (!hasTime && hasHalfHour) {
            why = (raw.isSupported(ChronoField.HOUR_OF_AMPM)
                            ? "K is an hour from 0 to 11"
                            : "h is an hour from 1 to 12")
                    + " and needs a for AM or PM; write H for hours from 0 to 23";
        } else if (!hasTime) {
            String letter = raw.isSupported(ChronoField.MINUTE_OF_HOUR)
                    ? "m needs"
                    : raw.isSupported(ChronoField.SECOND_OF_MINUTE)
                            ? "s needs"
                            : raw.isSupported(ChronoField.NANO_OF_SECOND) ? "S needs" : "";
            why = letter.isEmpty() ? null : letter + " an hour; write H for hours from 0 to 23";
        }
        if (why != null) {
            throw new NotATime("has no time of day in the format of --time-format, because " + why);
        }
    }

    private void requireYear(int year) throws NotATime {
        if (years == YearDigits.ANY && year >= 0 && year < TWO_DIGITS) {
            throw new NotATime("is in the year " + year + "; write yy in --time-format for years of two digits");
        }
        if (years == YearDigits.TWO && year >= FIRST_DOUBTFUL_YEAR) {
            throw new NotATime("is in the year " + year + " if its two digits count from " + USUAL_FIRST_YEAR
                    + "; give the first year of the 100 that they mean, as in --years-from 1950");
        }
    }

    /** Requires that Java did not replace a day that the month does not have by the last one of the month. */
    private void requireDay(String text, LocalDateTime time) throws NotATime {
        LocalDate date = time.toLocalDate();
        boolean isMidnight = time.toLocalTime().equals(LocalTime.MIDNIGHT);
        if (date.getDayOfMonth() < date.lengthOfMonth() && !(date.getDayOfMonth() == 1 && isMidnight)) {
            return; // not the last day of a month, nor the end of it
        }
        TemporalAccessor raw = raw(text);
        boolean isEndOfDay = isMidnight
                && raw.isSupported(ChronoField.HOUR_OF_DAY)
                && raw.getLong(ChronoField.HOUR_OF_DAY) == HOURS_OF_DAY;
        LocalDate written = isEndOfDay ? date.minusDays(1) : date;
        if (raw.isSupported(ChronoField.DAY_OF_MONTH)
                && raw.getLong(ChronoField.DAY_OF_MONTH) != written.getDayOfMonth()) {
            throw new NotATime("is no time, because that month has only " + written.lengthOfMonth() + " days");
        }
    }

    /** Returns why a text is refused that is not a time of this format. */
    String refusal() {
        if (equals(ISO)) {
            return "is not a time: write seconds or milliseconds since 1970, or 2018-01-30T12:34:56Z, or give its"
                    + " --time-format, or choose another column with --time";
        }
        return "is not a time in the format of --time-format"
                + (hasZoneNames
                        ? "; z and VV read offsets, regions such as Europe/Berlin, and of the names of zones only UTC,"
                                + " GMT, " + String.join(", ", ZONE_NAMES.keySet()) + "; write any other name in quotes"
                                + " in the format, and give its offset or region by --time-zone"
                        : "");
    }

    /** Returns a time in ISO 8601, in a zone. */
    public static String instant(double seconds, ZoneId zone) {
        BigDecimal exact = BigDecimal.valueOf(seconds);
        long whole = exact.setScale(0, RoundingMode.FLOOR).longValue();
        try {
            Instant instant = Instant.ofEpochSecond(
                    whole,
                    exact.subtract(BigDecimal.valueOf(whole)).movePointRight(9).longValue());
            return zone.normalized().equals(ZoneOffset.UTC)
                    ? instant.toString()
                    : DateTimeFormatter.ISO_OFFSET_DATE_TIME.format(instant.atZone(zone));
        } catch (DateTimeException e) {
            return CanonicalDouble.print(seconds);
        }
    }
}
