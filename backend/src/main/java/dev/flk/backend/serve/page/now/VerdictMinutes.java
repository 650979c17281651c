// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page.now;

import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeRows.Counts;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.verification.Verdict.Kind;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.LongStream;

/**
 * The numbers of outcomes in the record of each verdict that arrived in each of the last 1,440 complete minutes, and in
 * the minute after them so far. The record outlasts a restart, so the numbers do too: they are counted again, the newest
 * first and a little at a time. One thread counts; any thread reads.
 */
public final class VerdictMinutes {
    static final int MINUTES = 1_440;

    private static final int MOST_AT_ONCE = 60;
    /** The number of outcomes after which fewer minutes are counted at once. */
    private static final long MANY = 100_000;
    /** The maximum number of outcomes that are counted of the time before the start. */
    private static final long MOST_COUNTED = 5_000_000;
    /** The time in which an outcome reaches the record although the record is up to date. */
    private static final Duration SLACK = Duration.ofSeconds(10);

    /** The interval at which the current minute is counted, and the number of outcomes after which it is not. */
    private static final Duration CURRENT_EVERY = Duration.ofSeconds(10);

    private static final long MOST_CURRENT = 10_000;

    private final Map<Kind, long[]> counts = Counts.zeros(MINUTES);
    private final Map<Kind, Long> current = new EnumMap<>(Kind.class);

    /** The time up to which outcomes are counted. */
    private Instant until = Instant.EPOCH;

    /** The oldest minute that is counted, in minutes since the epoch. */
    private long first;

    /** The minute after the newest one that is counted; 0 before anything was counted. */
    private long end;

    // used by the thread that counts
    private long settled;
    private long countedBefore;
    private int atOnce = 1;

    /**
     * Counts the minutes that have ended since the last call, or else some older ones.
     *
     * @param behind supplies the time by which the record lags the log; called only if a minute has ended
     */
    public void count(RecordedOutcomes record, Instant now, Supplier<Duration> behind) {
        countComplete(record, now, behind);
        boolean isFew = current.values().stream().mapToLong(Long::longValue).sum() < MOST_CURRENT;
        if (isFew && !until.plus(CURRENT_EVERY).isAfter(now)) {
            Map<Kind, long[]> found = counted(record, end, end + 1);
            synchronized (this) {
                found.forEach((verdict, minutes) -> current.put(verdict, minutes[0]));
                until = now;
            }
        }
    }

    private void countComplete(RecordedOutcomes record, Instant now, Supplier<Duration> behind) {
        long minute = minute(now);
        if (end == 0 || minute < end || minute - end >= MINUTES) {
            beginAt(minute);
            settled = settled(minute, now, behind);
        }
        if (minute > end) {
            long from = Math.max(settled, minute - MOST_AT_ONCE);
            if (from > settled) {
                beginAt(from); // the record was behind for longer: count the time before again
            }
            add(record, from, minute);
            settled = settled(minute, now, behind);
        } else if (first > minute - MINUTES && countedBefore < MOST_COUNTED) {
            long found = add(record, Math.max(minute - MINUTES, first - atOnce), first);
            countedBefore += found;
            atOnce = found > MANY ? Math.max(1, atOnce / 2) : Math.min(MOST_AT_ONCE, atOnce * 2);
        }
    }

    /** Returns the first minute of which outcomes may still reach the record, so that it is counted again next time. */
    private static long settled(long minute, Instant now, Supplier<Duration> behind) {
        return Math.min(minute, minute(now.minus(behind.get()).minus(SLACK)));
    }

    private static long minute(Instant time) {
        return Math.floorDiv(time.getEpochSecond(), 60);
    }

    /** Returns a copy, which nobody changes. */
    public synchronized VerdictMinutes snapshot() {
        VerdictMinutes copy = new VerdictMinutes();
        counts.forEach((verdict, ring) -> copy.counts.put(verdict, ring.clone()));
        copy.first = first;
        copy.end = end;
        copy.until = until;
        copy.current.putAll(current);
        return copy;
    }

    private synchronized void beginAt(long minute) {
        first = minute;
        end = minute;
        until = Instant.ofEpochSecond(end * 60);
        current.clear();
        settled = minute;
        countedBefore = 0;
    }

    private static Map<Kind, long[]> counted(RecordedOutcomes record, long from, long to) {
        long[] bounds =
                LongStream.rangeClosed(from, to).map(minute -> minute * 60_000).toArray();
        return record.count(OutcomeQuery.ALL, bounds, Integer.MAX_VALUE).byVerdict();
    }

    private long add(RecordedOutcomes record, long from, long to) {
        Map<Kind, long[]> found = counted(record, from, to);
        long sum = 0;
        synchronized (this) {
            for (Map.Entry<Kind, long[]> verdict : found.entrySet()) {
                long[] ring = counts.get(verdict.getKey());
                for (int i = 0; ring != null && i < verdict.getValue().length; i++) {
                    ring[(int) Math.floorMod(from + i, (long) MINUTES)] = verdict.getValue()[i];
                    sum += verdict.getValue()[i];
                }
            }
            if (to > end) {
                end = to;
                until = Instant.ofEpochSecond(end * 60);
                current.clear();
            }
            first = Math.max(Math.min(first, from), end - MINUTES);
        }
        return sum;
    }

    /** Returns the beginning of the oldest minute that is counted. */
    synchronized Instant begin() {
        return Instant.ofEpochSecond(first * 60);
    }

    /** Returns the end of the newest minute that is counted. */
    synchronized Instant end() {
        return Instant.ofEpochSecond(end * 60);
    }

    /** Returns the time up to which outcomes are counted, which is in the minute after {@link #end}. */
    synchronized Instant until() {
        return until;
    }

    /** Returns the number of outcomes with a verdict that arrived after {@link #end}. */
    synchronized long current(Kind verdict) {
        return current.getOrDefault(verdict, 0L);
    }

    /** Returns the number of outcomes with a verdict that arrived in the newest minutes and after them. */
    synchronized double sum(Kind verdict, int minutes) {
        return Arrays.stream(newest(verdict, Math.min(minutes, size()))).sum() + current(verdict);
    }

    /** Returns whether outcomes of this record were counted. */
    synchronized boolean isCounted() {
        return end > 0;
    }

    /** Returns the number of minutes that are counted. */
    synchronized int size() {
        return (int) (end - first);
    }

    /** Returns the number of outcomes with a verdict in each of the newest minutes; NaN for those that aren't counted. */
    synchronized double[] newest(Kind verdict, int minutes) {
        double[] newest = new double[minutes];
        Arrays.fill(newest, Double.NaN);
        long[] ring = counts.getOrDefault(verdict, new long[MINUTES]);
        for (long minute = Math.max(first, end - minutes); minute < end; minute++) {
            newest[(int) (minute - end + minutes)] = ring[(int) Math.floorMod(minute, (long) MINUTES)];
        }
        return newest;
    }
}
