// SPDX-License-Identifier: Apache-2.0
/**
 * The store in memory, for trials: rebuilt from the log at each start. Nothing but the bootstrap calls in, to construct it.
 */
@NullMarked
package dev.flk.backend.dedup.memory;

import org.jspecify.annotations.NullMarked;
