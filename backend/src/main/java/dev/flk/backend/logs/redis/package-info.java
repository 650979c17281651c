// SPDX-License-Identifier: Apache-2.0
/** The registry of logs in Redis. */
@NullMarked
package dev.flk.backend.logs.redis;

import org.jspecify.annotations.NullMarked;
