// SPDX-License-Identifier: Apache-2.0
/** The store in Redis, which other backends may share. Only {@code run} constructs the store. */
@NullMarked
package dev.flk.backend.outcomes.redis;

import org.jspecify.annotations.NullMarked;
