// SPDX-License-Identifier: Apache-2.0
/**
 * The default store, in RocksDB next to the log, and its backup. {@code run} constructs them; {@code serve} and the
 * command line make and restore backups.
 */
@NullMarked
package dev.flk.backend.outcomes.embedded;

import org.jspecify.annotations.NullMarked;
