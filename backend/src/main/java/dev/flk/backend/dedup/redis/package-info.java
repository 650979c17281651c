// SPDX-License-Identifier: Apache-2.0
/**
 * The store in Redis, which other backends may share. Only this package imports Lettuce. Only the bootstrap calls this
 * package, to construct the store.
 */
@NullMarked
package dev.flk.backend.dedup.redis;

import org.jspecify.annotations.NullMarked;
