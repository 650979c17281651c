// SPDX-License-Identifier: Apache-2.0
/**
 * The store in Redis, which other backends may share. Lettuce is imported here and nowhere else. Nothing but the bootstrap calls
 * in, to construct it.
 */
@NullMarked
package dev.flk.backend.dedup.redis;

import org.jspecify.annotations.NullMarked;
