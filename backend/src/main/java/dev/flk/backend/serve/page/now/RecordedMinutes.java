// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page.now;

import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeRows.Counts;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import java.time.Duration;
import java.time.Instant;
import java.util.function.Supplier;
import java.util.stream.LongStream;

/**
 * Counts the outcomes in the record by the minute in which they arrived, for the last 1,440 complete minutes and for the
 * minute after them so far. The record outlasts a restart, so the numbers do too: they are counted again, the newest
 * first and a little at a time. Confined to one thread.
 */
public final class RecordedMinutes {
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

    /** The oldest minute that is counted. */
    private long first;

    /** The minute that was the current one when outcomes were counted last. */
    private long current;

    /** The time of the last count; outcomes that arrived later are not counted. */
    private Instant until = Instant.EPOCH;

    /** The first minute of which outcomes may still reach the record, so that it is counted again. */
    private long settled;

    /** The number of outcomes that were counted of the time before the start. */
    private long countedBefore;

    /** The number of older minutes that are counted next. */
    private int atOnce = 1;

    /**
     * Counts the minutes that have ended since the last call, or else the current one, or some older ones, and returns
     * the numbers with these.
     *
     * @param behind supplies the time by which the record lags the log; called only if a minute has ended
     */
    public Minutes count(Minutes before, RecordedOutcomes record, Instant now, Supplier<Duration> behind) {
        long minute = Minutes.of(now);
        if (minute < current || minute - current >= Minutes.DAY) {
            beginAt(minute - 1);
        }
        if (minute > current) {
            long from = Math.max(settled, minute - MOST_AT_ONCE);
            if (from > settled) {
                beginAt(from); // the record was behind for longer: count the time before again
            }
            long settledNow =
                    Math.min(minute, Minutes.of(now.minus(behind.get()).minus(SLACK)));
            Minutes counted = newest(before, record, from, now);
            settled = settledNow;
            return counted;
        }
        if (isFew(before) && !until.plus(CURRENT_EVERY).isAfter(now)) {
            return newest(before, record, minute, now);
        }
        return first > minute - Minutes.DAY && countedBefore < MOST_COUNTED ? older(before, record) : before;
    }

    private boolean isFew(Minutes minutes) {
        Minutes newest = minutes.part(current, current + 1);
        return Minutes.VERDICTS.keySet().stream().mapToDouble(newest::sum).sum() < MOST_CURRENT;
    }

    private void beginAt(long minute) {
        first = minute;
        current = minute;
        settled = minute;
        countedBefore = 0;
    }

    private Minutes newest(Minutes before, RecordedOutcomes record, long from, Instant now) {
        long minute = Minutes.of(now);
        Minutes counted = before.recorded(now, from, count(record, from, minute + 1));
        first = Math.min(first, from);
        current = minute;
        until = now;
        return counted;
    }

    private Minutes older(Minutes before, RecordedOutcomes record) {
        long from = Math.max(current - Minutes.DAY, first - atOnce);
        Counts found = count(record, from, first);
        first = from;
        countedBefore += found.total();
        atOnce = found.total() > MANY ? Math.max(1, atOnce / 2) : Math.min(MOST_AT_ONCE, atOnce * 2);
        return before.recorded(until, from, found);
    }

    private static Counts count(RecordedOutcomes record, long from, long to) {
        long[] bounds =
                LongStream.rangeClosed(from, to).map(minute -> minute * 60_000).toArray();
        return record.count(OutcomeQuery.ALL, bounds);
    }
}
