// SPDX-License-Identifier: Apache-2.0
/**
 * The store of outcomes: one atomic put-if-absent per certificate. The store is a view of the log, and can be lost and
 * rebuilt. {@code ingest} calls in through {@code DedupStore}; this package contains the store in memory, for trials,
 * and each other kind has a subpackage.
 */
@NullMarked
package dev.flk.backend.dedup;

import org.jspecify.annotations.NullMarked;
