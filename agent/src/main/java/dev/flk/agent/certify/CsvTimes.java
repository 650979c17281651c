// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import dev.flk.agent.certify.NumberColumn.NotANumber;
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
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.time.temporal.ChronoField;
import java.time.temporal.TemporalAccessor;
import java.time.zone.ZoneOffsetTransition;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The times of a file: numbers of one unit, or texts. A time that the file does not determine is an error or has
 * several instants; nothing is guessed.
 */
final class CsvTimes {
    private static final int HOURS_OF_DAY = 24;

    private static final DateTimeFormatter ISO = new DateTimeFormatterBuilder()
            .append(DateTimeFormatter.ISO_LOCAL_DATE)
            .optionalStart()
            .appendLiteral('T')
            .append(DateTimeFormatter.ISO_LOCAL_TIME)
            .optionalStart()
            .parseLenient() // an offset may lack the minutes
            .appendOffset("+HHmm", "Z")
            .toFormatter(Locale.ROOT);

    private final CsvFormat format;
    private final NumberColumn numbers;
    private final UnitCheck check;
    private boolean hasNumber;
    private @Nullable TimeUnit unit;

    /**
     * Creates a reader of times.
     *
     * @param name the name of the time column
     */
    CsvTimes(CsvFormat format, NumberColumn numbers, String name) {
        this.format = format;
        this.numbers = numbers;
        check = new UnitCheck(name);
        unit = format.notation().timeUnit().orElse(null);
    }

    /**
     * The instants that a cell may mean, in seconds since 1970. A local time that occurs twice has two.
     *
     * @param readings both readings as shown to users; empty for a single instant
     * @param lacksZone whether the cell has a local time in a zone without rules, where daylight saving time looks like
     *     a step back
     */
    record Time(double seconds, double laterSeconds, String readings, boolean lacksZone) {
        static Time once(double seconds, boolean lacksZone) {
            return new Time(seconds, seconds, "", lacksZone);
        }

        boolean isTwice() {
            return seconds != laterSeconds;
        }
    }

    /** The error for a cell without a time; the message continues a sentence about the cell. */
    static final class NotATime extends Exception {
        NotATime(String message) {
            super(message);
        }
    }

    /** Returns whether a cell may have a time, perhaps one that is refused. */
    boolean mayBeTime(String text) {
        try {
            return (isNumeric() && numbers.accepts(text)) || local(text).isPresent();
        } catch (NotATime e) {
            return true;
        }
    }

    private boolean isNumeric() {
        return format.timeFormat().isEmpty();
    }

    Time read(String text, long line) throws NotATime, NotANumber {
        if (isNumeric() && NumberColumn.isNumber(text)) {
            return number(numbers.read(text, line));
        }
        LocalReading reading = local(text)
                .orElseThrow(() -> new NotATime(
                        format.timeFormat().isPresent()
                                ? "is not a time in the format of --time-format"
                                : "is not a time: write seconds or milliseconds since 1970, or 2018-01-30T12:34:56Z,"
                                        + " or give its --time-format, or choose another column with --time"));
        return time(reading);
    }

    private Time number(String plain) throws NotATime {
        double number = Double.parseDouble(plain);
        if (!Double.isFinite(number)) {
            throw new NotATime("is too large for a double");
        }
        TimeUnit chosen = format.notation().timeUnit().orElse(null);
        if (chosen == null) {
            if (!hasNumber) {
                check.first(plain, number);
            }
            hasNumber = true;
            if (Math.abs(number) >= UnitCheck.MOST_MILLIS) {
                throw new NotATime(
                        "is not a time: write seconds or milliseconds since 1970, or 2018-01-30T12:34:56Z, or"
                                + " give its --time-format, or choose another column with --time");
            }
            check.each(plain, number);
            chosen = UnitCheck.isMillis(number) ? TimeUnit.MS : TimeUnit.S;
            unit = chosen;
        }
        if (chosen == TimeUnit.S) {
            return Time.once(number, false);
        }
        BigDecimal seconds = chosen.seconds(new BigDecimal(plain));
        if (!chosen.isLocal()) {
            return Time.once(seconds.doubleValue(), false);
        }
        try {
            BigDecimal whole = seconds.setScale(0, RoundingMode.FLOOR);
            LocalDateTime local = LocalDateTime.ofEpochSecond(
                    whole.longValueExact(),
                    seconds.subtract(whole).movePointRight(9).intValue(),
                    ZoneOffset.UTC);
            return time(new LocalReading(local, format.zone(), Optional.empty()));
        } catch (ArithmeticException | DateTimeException e) {
            throw new NotATime("is no time in " + chosen.meaning());
        }
    }

    /**
     * A text that was read as a time.
     *
     * @param instant the instant, if the text determines it without the rules of a zone
     */
    private record LocalReading(LocalDateTime local, ZoneId zone, Optional<Instant> instant) {}

    /** Returns the time in a text; empty if the text is not a time. */
    private Optional<LocalReading> local(String text) throws NotATime {
        DateTimeFormatter formatter = format.timeFormat().orElse(ISO);
        String plain = format.timeFormat().isPresent()
                ? text
                : text.replaceFirst("(?<=\\d) +(?=\\d)", "T")
                        .replaceFirst(" +(?=[Z+-])", "")
                        .replaceFirst("(?<=[+-]\\d\\d):(?=\\d\\d$)", "");
        try {
            TemporalAccessor best =
                    formatter.parseBest(plain, ZonedDateTime::from, LocalDateTime::from, LocalDate::from);
            if (best instanceof LocalDate date) {
                requireDay(formatter, plain, date.atStartOfDay());
                return Optional.of(new LocalReading(
                        date.atStartOfDay(),
                        format.zone(),
                        Optional.of(date.atStartOfDay(format.zone()).toInstant())));
            }
            if (best instanceof ZonedDateTime zoned
                    && (zoned.getZone() instanceof ZoneOffset
                            || isWritten(ChronoField.OFFSET_SECONDS, formatter, plain))) {
                requireDay(formatter, plain, zoned.toLocalDateTime());
                return Optional.of(
                        new LocalReading(zoned.toLocalDateTime(), zoned.getZone(), Optional.of(zoned.toInstant())));
            }
            LocalDateTime local = best instanceof LocalDateTime both
                    ? both
                    : LocalDateTime.from(formatter.parse(plain)); // before the zone moves a time that does not exist
            requireDay(formatter, plain, local);
            return Optional.of(new LocalReading(
                    local, best instanceof ZonedDateTime zoned ? zoned.getZone() : format.zone(), Optional.empty()));
        } catch (DateTimeException e) {
            return Optional.empty();
        }
    }

    private static boolean isWritten(ChronoField field, DateTimeFormatter formatter, String text) {
        return formatter.parseUnresolved(text, new ParsePosition(0)).isSupported(field);
    }

    /** Requires that Java did not replace a day that the month does not have by the last one of the month. */
    private static void requireDay(DateTimeFormatter formatter, String text, LocalDateTime time) throws NotATime {
        LocalDate date = time.toLocalDate();
        boolean isMidnight = time.toLocalTime().equals(LocalTime.MIDNIGHT);
        if (date.getDayOfMonth() < date.lengthOfMonth() && !(date.getDayOfMonth() == 1 && isMidnight)) {
            return; // not the last day of a month, nor the end of it
        }
        TemporalAccessor raw = formatter.parseUnresolved(text, new ParsePosition(0));
        boolean isEndOfDay = isMidnight
                && raw.isSupported(ChronoField.HOUR_OF_DAY)
                && raw.getLong(ChronoField.HOUR_OF_DAY) == HOURS_OF_DAY;
        LocalDate written = isEndOfDay ? date.minusDays(1) : date;
        if (raw.isSupported(ChronoField.DAY_OF_MONTH)
                && raw.getLong(ChronoField.DAY_OF_MONTH) != written.getDayOfMonth()) {
            throw new NotATime("is no time, because that month has only " + written.lengthOfMonth() + " days");
        }
    }

    private Time time(LocalReading reading) throws NotATime {
        if (reading.instant().isPresent()) {
            return Time.once(seconds(reading.instant().get()), false);
        }
        LocalDateTime local = reading.local();
        List<ZoneOffset> offsets = reading.zone().getRules().getValidOffsets(local);
        if (offsets.size() == 1) {
            return Time.once(
                    seconds(local.toInstant(offsets.get(0))),
                    reading.zone().getRules().isFixedOffset());
        }
        ZoneOffsetTransition change = reading.zone().getRules().getTransition(local);
        String readings = local.toInstant(change.getOffsetBefore()) + " (" + change.getOffsetBefore() + ") or "
                + local.toInstant(change.getOffsetAfter()) + " (" + change.getOffsetAfter() + ")";
        if (offsets.isEmpty()) {
            throw new NotATime("does not exist in " + reading.zone() + ", where the clocks went from "
                    + change.getDateTimeBefore().toLocalTime() + " to "
                    + change.getDateTimeAfter().toLocalTime() + " on that day; it may mean " + readings
                    + ": if the clock of the device does not change, give its offset, such as --time-zone "
                    + change.getOffsetBefore());
        }
        return new Time(
                seconds(local.toInstant(change.getOffsetBefore())),
                seconds(local.toInstant(change.getOffsetAfter())),
                "occurs twice in " + reading.zone() + ", as " + readings,
                false);
    }

    private static double seconds(Instant time) {
        return BigDecimal.valueOf(time.getEpochSecond())
                .add(BigDecimal.valueOf(time.getNano(), 9))
                .doubleValue();
    }

    /** Returns how times are read, as shown to users. */
    String meaning() {
        String zone =
                "in " + (format.zone().equals(ZoneOffset.UTC) ? "UTC" : format.zone()) + " unless they have a zone";
        return format.timeFormat().isPresent()
                ? "in the format of --time-format, " + zone
                : unit != null ? unit.meaning() + (unit.isLocal() ? ", in " + format.zone() : "") : "ISO 8601, " + zone;
    }
}
