// SPDX-License-Identifier: Apache-2.0
/** State on RocksDB, in a directory of its own. {@code EmbeddedStorage} is the door; {@code NativeLibrary} loads RocksDB for others, too. */
@NullMarked
package dev.flk.state.embedded;

import org.jspecify.annotations.NullMarked;
