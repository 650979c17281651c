// SPDX-License-Identifier: Apache-2.0
/**
 * The store in Redis, which other backends may share. Only this package and {@code sessions.redis} import Lettuce. The
 * bootstrap constructs the store; {@code sessions.redis} uses {@code RedisConnector}, and {@code health} uses {@code
 * RedisProbe}.
 */
@NullMarked
package dev.flk.backend.dedup.redis;

import org.jspecify.annotations.NullMarked;
