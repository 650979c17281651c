// SPDX-License-Identifier: Apache-2.0
/**
 * Time, for every package: a clock that hides jumps, the circuit breaker of endpoints and stores, and threads that act
 * on a schedule.
 */
@NullMarked
package dev.flk.program.time;

import org.jspecify.annotations.NullMarked;
