// SPDX-License-Identifier: Apache-2.0
/**
 * The registry of metrics. Every feature declares its own metrics as a {@link dev.flk.backend.metrics.Metrics.Feature},
 * under the names that dashboards and alerts rely on; this package depends on no feature.
 */
@NullMarked
package dev.flk.backend.metrics;

import org.jspecify.annotations.NullMarked;
