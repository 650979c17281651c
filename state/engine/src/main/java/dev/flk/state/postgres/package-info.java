// SPDX-License-Identifier: Apache-2.0
/**
 * State in PostgreSQL, which several backends may share. {@code PostgresStorage} is the entry point; {@code
 * Database} is the interface that it requires.
 */
@NullMarked
package dev.flk.state.postgres;

import org.jspecify.annotations.NullMarked;
