// SPDX-License-Identifier: Apache-2.0
/** The durable copy of sessions in Postgres, for {@code sessions.redis}. */
@NullMarked
package dev.flk.backend.sessions.postgres;

import org.jspecify.annotations.NullMarked;
