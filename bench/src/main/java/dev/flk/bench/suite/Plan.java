// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.suite;

import java.time.Duration;

/**
 * How long to measure.
 *
 * @param rounds of which the medians are told
 * @param warmUp before each, not counted
 * @param measured of each
 */
public record Plan(int rounds, Duration warmUp, Duration measured) {}
