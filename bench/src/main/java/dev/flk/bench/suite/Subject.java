// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.suite;

import dev.flk.bench.suite.Results.Sample;
import java.io.IOException;
import java.time.Duration;

/** Something that is measured in rounds. */
record Subject(String name, Round round) {
    /** Measures one round. */
    interface Round {
        Sample measure(Plan plan) throws IOException, InterruptedException;
    }

    /**
     * How long to measure.
     *
     * @param rounds whose median is reported
     * @param warmUp before each round, not counted
     * @param measured time of each round
     */
    record Plan(int rounds, Duration warmUp, Duration measured) {
        double measuredSeconds() {
            return measured.toNanos() / 1e9;
        }
    }
}
