// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page.now;

import dev.flk.backend.outcomes.record.OutcomeRows.Counts;
import dev.flk.backend.serve.page.now.Rates.Counted;
import dev.flk.verification.Verdict.Kind;
import java.time.Instant;
import java.util.Collections;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.DoubleStream;
import org.jspecify.annotations.Nullable;

/**
 * The numbers of each minute of the clock in the last 24 hours. {@link Rates} counts them by the metrics, and
 * {@link RecordedMinutes} those of outcomes by the record, which replaces the metrics. A number that is not known is
 * missing. Immutable.
 *
 * @param numbers the numbers of each minute, by minutes since the epoch; those of outcomes also of the minute at {@code
 *     end}, so far
 * @param end the minute after the newest complete one
 * @param recordedUntil the time up to which the outcomes of the record are counted; null if none are
 */
public record Minutes(
        NavigableMap<Long, Map<Counted, Double>> numbers,
        long end,
        @Nullable Instant recordedUntil) {
    static final int HOUR = 60;
    static final int DAY = 1_440;

    /** The numbers of outcomes, which the record has, and their verdicts. */
    static final Map<Counted, Kind> VERDICTS =
            Map.of(Counted.ACCEPTED, Kind.ACCEPTED, Counted.ESCALATED, Kind.ESCALATED, Counted.REJECTED, Kind.REJECTED);

    /** Returns a series without numbers, which begins now. */
    public static Minutes none(Instant now) {
        return new Minutes(Collections.emptyNavigableMap(), of(now), null);
    }

    /** Returns the minute of a time. */
    static long of(Instant time) {
        return Math.floorDiv(time.getEpochSecond(), 60);
    }

    /** Returns the time at which a minute begins. */
    static Instant beginning(long minute) {
        return Instant.ofEpochSecond(minute * 60);
    }

    /** Returns this series at the end of a minute, with its numbers. */
    Minutes ended(long newEnd, Map<Counted, Double> added) {
        return with(newEnd, recordedUntil, Map.of(newEnd - 1, added));
    }

    /** Returns this series with numbers of the record, of the minutes from {@code from} on. */
    Minutes recorded(Instant until, long from, Counts found) {
        Map<Long, Map<Counted, Double>> added = new HashMap<>();
        VERDICTS.forEach((counted, verdict) -> {
            long[] counts = found.byVerdict().getOrDefault(verdict, new long[0]);
            for (int i = 0; i < counts.length; i++) {
                added.computeIfAbsent(from + i, minute -> new EnumMap<>(Counted.class))
                        .put(counted, (double) counts[i]);
            }
        });
        return with(end, until, added);
    }

    private Minutes with(long newEnd, @Nullable Instant until, Map<Long, Map<Counted, Double>> added) {
        NavigableMap<Long, Map<Counted, Double>> all = new TreeMap<>(numbers.subMap(newEnd - DAY, newEnd + 1));
        added.forEach((minute, found) -> all.merge(minute, found, Minutes::replaced));
        return new Minutes(all, newEnd, until);
    }

    private static Map<Counted, Double> replaced(Map<Counted, Double> old, Map<Counted, Double> added) {
        Map<Counted, Double> all = new EnumMap<>(old);
        all.putAll(added);
        return all;
    }

    /** Returns the newest complete minutes, and the minute after them so far. */
    Minutes newest(int minutes) {
        return part(end - minutes, end + 1);
    }

    /** Returns the minutes from {@code from}, inclusive, to {@code to}, exclusive. */
    Minutes part(long from, long to) {
        return new Minutes(numbers.subMap(from, true, to, false), end, recordedUntil);
    }

    /** Returns the known values of a number, one for each minute. */
    DoubleStream values(Counted counted) {
        return numbers.values().stream()
                .mapToDouble(each -> each.getOrDefault(counted, Double.NaN))
                .filter(Double::isFinite);
    }

    double sum(Counted counted) {
        return values(counted).sum();
    }

    /** Returns the beginning of the oldest minute in which something is counted; empty if it never is. */
    public Optional<Instant> since(Counted counted) {
        return numbers.entrySet().stream()
                .filter(each -> each.getValue().containsKey(counted))
                .map(each -> beginning(each.getKey()))
                .findFirst();
    }

    /** Returns the beginning of the last 24 hours. */
    Instant dayAgo() {
        return beginning(end - DAY);
    }

    /** Returns the end of the newest of these minutes, of which there is one. */
    Instant until() {
        long newest = numbers.lastKey();
        return newest == end && recordedUntil != null ? recordedUntil : beginning(newest + 1);
    }
}
