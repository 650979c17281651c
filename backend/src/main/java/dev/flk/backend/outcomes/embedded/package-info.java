// SPDX-License-Identifier: Apache-2.0
/**
 * The default store, in RocksDB next to the log. Only {@code run} calls this package, to construct the store.
 */
@NullMarked
package dev.flk.backend.outcomes.embedded;

import org.jspecify.annotations.NullMarked;
