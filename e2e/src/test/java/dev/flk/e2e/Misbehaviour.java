// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.util.Arrays;
import java.util.random.RandomGenerator;

/** What the proxy of the ordeal does with a request; each with its share of all requests, in thousandths. */
enum Misbehaviour {
    PASS_ON(649),
    SLOW_BEFORE(60),
    SLOW_AFTER(60),
    /** Answered so late that the backend may have been restarted with another key meanwhile. */
    LATE(3),
    /** Passed on and never answered: the agent's time-out has to end it. */
    SILENT(1),
    TOO_MANY_REQUESTS(7),
    STORE_UNAVAILABLE(7),
    LOG_APPEND_FAILED(40),
    HTML_200(25),
    HTML_502(25),
    REDIRECT(23),
    /** The outcome of another certificate. */
    WRONG_ID(25),
    /** Passed on; of the answer's body only the first half comes, with a length that fits. */
    TRUNCATED(25),
    /** The same with the length of all of it, and an end in the middle. */
    BROKEN_OFF(20),
    CLOSE_BEFORE(15),
    CLOSE_AFTER(15);

    private static final int ALL = 1000;

    private final int share;

    Misbehaviour(int share) {
        this.share = share;
    }

    /** The next of a plan that only the seed decides. */
    static Misbehaviour next(RandomGenerator random) {
        int drawn = random.nextInt(ALL);
        for (Misbehaviour one : values()) {
            drawn -= one.share;
            if (drawn < 0) {
                return one;
            }
        }
        throw new AssertionError("the shares do not add up to " + ALL + ": " + Arrays.toString(values()));
    }
}
