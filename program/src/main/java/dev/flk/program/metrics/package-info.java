// SPDX-License-Identifier: Apache-2.0
/** Renders metrics as text. Each program defines its own metrics. */
@NullMarked
package dev.flk.program.metrics;

import org.jspecify.annotations.NullMarked;
