// SPDX-License-Identifier: Apache-2.0
/**
 * What the backend counts, under the names that dashboards and alerts rely on. Every feature package counts through
 * {@link dev.flk.backend.metrics.Meters}; nothing here knows of any of them.
 */
@NullMarked
package dev.flk.backend.metrics;

import org.jspecify.annotations.NullMarked;
