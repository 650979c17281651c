// SPDX-License-Identifier: Apache-2.0
/**
 * The suites: their subjects, rounds and results; results as a table, as JSON and as a plot; single steps as JMH
 * benchmarks.
 */
@NullMarked
package dev.flk.bench.suite;

import org.jspecify.annotations.NullMarked;
