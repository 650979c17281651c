// SPDX-License-Identifier: Apache-2.0
/**
 * Versioned, replayable state with transactions. {@code StateEngine} is the entry point. A single writer decides
 * commits, and a {@code Storage} (memory, RocksDB or Postgres) stores them. The package knows nothing of networks and
 * certificates.
 */
@NullMarked
package dev.flk.state;

import org.jspecify.annotations.NullMarked;
