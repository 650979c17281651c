// SPDX-License-Identifier: Apache-2.0
/** State on RocksDB, in a directory of its own. {@code EmbeddedStorage} is the entry point. */
@NullMarked
package dev.flk.state.embedded;

import org.jspecify.annotations.NullMarked;
