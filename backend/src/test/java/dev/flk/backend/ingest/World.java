// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import java.time.Duration;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/** What simulated backends share: the time, and the model of what was answered. */
final class World {
    /** {@code -Dflk.trace=true} tells every step. */
    private static final boolean TRACE = Boolean.getBoolean("flk.trace");

    final AnswerModel answers = new AnswerModel(this);
    private @Nullable AssertionError broken;
    private long nowMillis = Instant.parse("2026-11-20T10:00:00Z").toEpochMilli();

    long nowMillis() {
        return nowMillis;
    }

    Instant now() {
        return Instant.ofEpochMilli(nowMillis);
    }

    long nanos() {
        return nowMillis * 1_000_000;
    }

    void advance(Duration by) {
        nowMillis += by.toMillis();
        answers.timePassed();
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
        if (TRACE) {
            System.err.println(now() + " " + what);
        }
    }
}
