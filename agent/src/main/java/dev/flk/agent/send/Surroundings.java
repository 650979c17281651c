// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import java.time.InstantSource;
import java.util.function.LongSupplier;
import java.util.random.RandomGenerator;

/**
 * Time and randomness, passed in so that tests control them.
 *
 * @param clock wall time
 * @param nanoTicker measures durations; starts near 0 and never goes back
 * @param random source of jitter
 */
public record Surroundings(InstantSource clock, LongSupplier nanoTicker, RandomGenerator random) {

    /** The machine's. */
    public static Surroundings real() {
        long startNanos = System.nanoTime();
        return new Surroundings(
                InstantSource.system(), () -> System.nanoTime() - startNanos, RandomGenerator.getDefault());
    }
}
