// SPDX-License-Identifier: Apache-2.0
/** Connections to Redis, and their failures. Depends on no feature. */
@NullMarked
package dev.flk.backend.stores.redis;

import org.jspecify.annotations.NullMarked;
