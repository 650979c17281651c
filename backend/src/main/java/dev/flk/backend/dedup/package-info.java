// SPDX-License-Identifier: Apache-2.0
/**
 * The store of outcomes: one atomic put-if-absent per certificate. The store is a view of the log, and can be lost and
 * rebuilt. {@code ingest} calls the store through {@code GuardedStore}, {@code inbox} through {@code DedupStore}. This
 * package contains the store in memory, for trials; each other kind of store has a subpackage.
 */
@NullMarked
package dev.flk.backend.dedup;

import org.jspecify.annotations.NullMarked;
