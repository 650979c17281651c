// SPDX-License-Identifier: Apache-2.0
/**
 * The record of outcomes: one atomic put-if-absent per certificate. A view of the log, which can be lost and rebuilt.
 * {@code ingest} calls in through {@code DedupStore}; the store in memory, for trials, is here, each other kind in a
 * package of its own below.
 */
@NullMarked
package dev.flk.backend.dedup;

import org.jspecify.annotations.NullMarked;
