// SPDX-License-Identifier: Apache-2.0
/**
 * Data derived from a log. {@link dev.flk.view.RocksView} is a RocksDB that can be lost and built again; {@link
 * dev.flk.view.OpenDatabase} is one open RocksDB, also of the state; {@link dev.flk.view.RocksCopy} is a backup. Depends
 * on {@code wal} only.
 */
@NullMarked
package dev.flk.view;

import org.jspecify.annotations.NullMarked;
