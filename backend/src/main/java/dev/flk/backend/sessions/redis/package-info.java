// SPDX-License-Identifier: Apache-2.0
/**
 * Sessions in Redis: the script that changes them, the copy from which they are read, and the thread that writes their
 * changes to Postgres. {@code Backend} creates {@code RedisSessions}.
 */
@NullMarked
package dev.flk.backend.sessions.redis;

import org.jspecify.annotations.NullMarked;
