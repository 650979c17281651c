// SPDX-License-Identifier: Apache-2.0
/**
 * The metrics of the backend, under the names that dashboards and alerts rely on. Every feature package counts through {@link
 * dev.flk.backend.metrics.Meters}; this package depends on none of them.
 */
@NullMarked
package dev.flk.backend.metrics;

import org.jspecify.annotations.NullMarked;
