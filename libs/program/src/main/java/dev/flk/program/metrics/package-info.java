// SPDX-License-Identifier: Apache-2.0
/**
 * The registry of metrics, and their text. Every feature declares its own metrics as a {@link
 * dev.flk.program.metrics.Metrics.Feature}, under the names that dashboards and alerts rely on; this package depends on
 * no feature.
 */
@NullMarked
package dev.flk.program.metrics;

import org.jspecify.annotations.NullMarked;
