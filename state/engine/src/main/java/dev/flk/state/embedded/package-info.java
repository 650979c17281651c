// SPDX-License-Identifier: Apache-2.0
/**
 * State in ordered tables: {@code EmbeddedStorage} in RocksDB, in a directory of its own, and {@code MemoryStorage} in
 * memory.
 */
@NullMarked
package dev.flk.state.embedded;

import org.jspecify.annotations.NullMarked;
