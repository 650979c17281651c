// SPDX-License-Identifier: Apache-2.0
/**
 * Versioned, replayable state with transactions. {@code StateEngine} is the door: one writer decides what is committed; a
 * {@code Storage} keeps it (memory, RocksDB, Postgres). It knows no network and no certificates.
 */
@NullMarked
package dev.flk.state;

import org.jspecify.annotations.NullMarked;
