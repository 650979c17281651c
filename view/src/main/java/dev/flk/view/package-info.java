// SPDX-License-Identifier: Apache-2.0
/**
 * What is derived from a log, and can be lost and built again. So far it has only what every RocksDB database needs:
 * {@link dev.flk.view.NativeLibrary}. Depends on {@code wal} only.
 */
@NullMarked
package dev.flk.view;

import org.jspecify.annotations.NullMarked;
