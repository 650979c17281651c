// SPDX-License-Identifier: Apache-2.0
/** State in PostgreSQL, which several backends may share. {@code PostgresStorage} is the door; {@code StateDatabase} is what it needs. */
@NullMarked
package dev.flk.state.postgres;

import org.jspecify.annotations.NullMarked;
