// SPDX-License-Identifier: Apache-2.0
/** Figures as a table, as JSON and as a plot. */
@NullMarked
package dev.flk.bench.report;

import org.jspecify.annotations.NullMarked;
