// SPDX-License-Identifier: Apache-2.0
/**
 * Sessions in Redis: the script that changes sessions, the copy from which sessions are read, and the thread that
 * writes changes to Postgres. {@code run.SessionParts} creates {@code RedisSessions}.
 */
@NullMarked
package dev.flk.backend.sessions.redis;

import org.jspecify.annotations.NullMarked;
