// SPDX-License-Identifier: Apache-2.0
/** The suites: subjects, rounds, results. */
@NullMarked
package dev.flk.bench.suite;

import org.jspecify.annotations.NullMarked;
