// SPDX-License-Identifier: Apache-2.0
/**
 * The store in RocksDB, beside the log: the default. Nothing but the bootstrap calls in, to construct it.
 */
@NullMarked
package dev.flk.backend.dedup.embedded;

import org.jspecify.annotations.NullMarked;
