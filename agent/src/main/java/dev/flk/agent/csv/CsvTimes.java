// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.csv;

import dev.flk.agent.csv.NumberColumn.NotANumber;
import dev.flk.agent.csv.TimeFormat.Written;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.zone.ZoneOffsetTransition;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The times of a file: numbers of one unit, or texts. A time that the file does not determine is an error or has
 * several instants; nothing is guessed.
 */
final class CsvTimes {
    private final CsvFormat format;
    private final TimeFormat texts;
    private final NumberColumn numbers;
    private final UnitCheck check;
    private boolean hasNumber;
    private @Nullable TimeUnit unit;

    /**
     * Creates a reader of times.
     *
     * @param name the name of the time column
     * @param hasNumber whether the first number needs no check of its unit, because an earlier one was checked
     */
    CsvTimes(CsvFormat format, NumberColumn numbers, String name, boolean hasNumber) {
        this.format = format;
        this.texts = format.timeFormat().orElse(TimeFormat.ISO);
        this.numbers = numbers;
        this.hasNumber = hasNumber;
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
    static class NotATime extends Exception {
        NotATime(String message) {
            super(message);
        }
    }

    /** The error for a local time that the zone skips. The zone may be wrong for all times. */
    static final class WrongZone extends NotATime {
        private WrongZone(String message) {
            super(message);
        }
    }

    /** Returns whether a cell may have a time, perhaps one that is refused. */
    boolean mayBeTime(String text) {
        try {
            return (isNumeric() && numbers.accepts(text)) || texts.read(text).isPresent();
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
        Written written = texts.read(text).orElseThrow(() -> new NotATime(texts.refusal()));
        ZoneId zone = written.zone().orElse(format.usedZone());
        return written.isDay()
                ? Time.once(
                        seconds(written.local().toLocalDate().atStartOfDay(zone).toInstant()),
                        zone.getRules().isFixedOffset() && written.zone().isEmpty())
                : time(written.local(), zone, written.zone().isPresent());
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
                throw new NotATime(TimeFormat.ISO.refusal());
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
            return time(local, format.usedZone(), false);
        } catch (ArithmeticException | DateTimeException e) {
            throw new NotATime("is no time in " + chosen.meaning());
        }
    }

    private static Time time(LocalDateTime local, ZoneId zone, boolean isZoneWritten) throws NotATime {
        List<ZoneOffset> offsets = zone.getRules().getValidOffsets(local);
        if (offsets.size() == 1) {
            return Time.once(
                    seconds(local.toInstant(offsets.get(0))), zone.getRules().isFixedOffset() && !isZoneWritten);
        }
        ZoneOffsetTransition change = zone.getRules().getTransition(local);
        String readings = local.toInstant(change.getOffsetBefore()) + " (" + change.getOffsetBefore() + ") or "
                + local.toInstant(change.getOffsetAfter()) + " (" + change.getOffsetAfter() + ")";
        if (offsets.isEmpty()) {
            throw new WrongZone("does not exist in " + zone + ", where the clocks went from "
                    + change.getDateTimeBefore().toLocalTime() + " to "
                    + change.getDateTimeAfter().toLocalTime() + " on that day; it may mean " + readings
                    + ": if the clock of the device does not change, give its offset, such as --time-zone "
                    + change.getOffsetBefore());
        }
        return new Time(
                seconds(local.toInstant(change.getOffsetBefore())),
                seconds(local.toInstant(change.getOffsetAfter())),
                "occurs twice in " + zone + ", as " + readings,
                false);
    }

    static double seconds(Instant time) {
        return BigDecimal.valueOf(time.getEpochSecond())
                .add(BigDecimal.valueOf(time.getNano(), 9))
                .doubleValue();
    }

    /** Returns how times are read, as shown to users. */
    String meaning() {
        String zone = "in " + (format.usedZone().equals(ZoneOffset.UTC) ? "UTC" : format.usedZone())
                + " unless they have a zone";
        return format.timeFormat().isPresent()
                ? "in the format of --time-format, " + zone
                : unit != null
                        ? unit.meaning() + (unit.isLocal() ? ", in " + format.usedZone() : "")
                        : "ISO 8601, " + zone;
    }
}
