// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** What simulated backends share: the time, and the model of what was answered. */
final class World {
    /** {@code -Dflk.trace=true} tells every step. */
    private static final boolean TRACE = Boolean.getBoolean("flk.trace");

    final AnswerModel answers = new AnswerModel(this);
    private final List<BackendClock> clocks = new ArrayList<>();
    private final Duration clocksApart;
    private @Nullable AssertionError broken;
    private long nowMillis = Instant.parse("2026-11-20T10:00:00Z").toEpochMilli();
    private long latestMillis = nowMillis;
    private int starts;

    /** All clocks are right. */
    World() {
        this(Duration.ZERO);
    }

    /** @param clocksApart how far two readings of clocks may be apart, at the most, at one moment */
    World(Duration clocksApart) {
        this.clocksApart = clocksApart;
    }

    long nowMillis() {
        return nowMillis;
    }

    Instant now() {
        return Instant.ofEpochMilli(nowMillis);
    }

    long nanos() {
        return nowMillis * 1_000_000;
    }

    /** The clock of one more backend. */
    BackendClock clock() {
        BackendClock clock = new BackendClock(this);
        clocks.add(clock);
        return clock;
    }

    void advance(Duration by) {
        nowMillis += by.toMillis();
        timePassed();
    }

    void processStarted() {
        starts++;
        timePassed();
    }

    /** How many processes were started. */
    int starts() {
        return starts;
    }

    boolean isOneBackend() {
        return clocks.size() == 1;
    }

    /** A clock shows another time than before. */
    void timePassed() {
        for (BackendClock clock : clocks) {
            latestMillis = Math.max(latestMillis, clock.steady().expiry().millis());
        }
        answers.timePassed();
    }

    /** The latest time by which any backend has let anything expire: what ends later stands for everybody. */
    long latestMillis() {
        return latestMillis;
    }

    /** How far behind that any clock may be, or come to be. */
    long clocksApartMillis() {
        return clocksApart.toMillis();
    }

    /** Runs a check; one that fails inside a stage, which would swallow it, is told by {@link #requireUnbroken}. */
    void check(Runnable check) {
        try {
            check.run();
        } catch (AssertionError e) {
            broken = broken == null ? e : broken;
            throw e;
        }
    }

    /** Whether a check failed, wherever. */
    void requireUnbroken() {
        if (broken != null) {
            throw broken;
        }
    }

    void trace(String what) {
        trace(() -> what);
    }

    void trace(Supplier<String> what) {
        if (TRACE) {
            System.err.println(now() + " " + what.get());
        }
    }
}
