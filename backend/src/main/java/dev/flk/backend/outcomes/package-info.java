// SPDX-License-Identifier: Apache-2.0
/**
 * Outcomes: which one is recorded for an id, and the record that people search. The store of outcomes has one atomic
 * put-if-absent per certificate; it is a view of the log, and can be lost and rebuilt. {@code ingest} calls the store
 * through {@code GuardedStore}. This package contains the store in memory, for trials; each other kind of store, and the
 * record, has a subpackage.
 */
@NullMarked
package dev.flk.backend.outcomes;

import org.jspecify.annotations.NullMarked;
