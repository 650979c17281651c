// SPDX-License-Identifier: Apache-2.0
/** Metrics as text; what is counted is each program's own. */
@NullMarked
package dev.flk.program.metrics;

import org.jspecify.annotations.NullMarked;
