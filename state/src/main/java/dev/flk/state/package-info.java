// SPDX-License-Identifier: Apache-2.0
/**
 * Versioned, replayable state with transactions. {@code StateEngine} is the entry point: a single writer decides what
 * is committed, and a {@code Storage} (memory, RocksDB or Postgres) stores it. Knows nothing of networks and
 * certificates.
 */
@NullMarked
package dev.flk.state;

import org.jspecify.annotations.NullMarked;
