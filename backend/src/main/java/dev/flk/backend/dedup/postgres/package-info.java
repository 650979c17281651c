// SPDX-License-Identifier: Apache-2.0
/**
 * The dedup store in PostgreSQL, which several backends may share. Only the bootstrap calls this package, to construct
 * the store; {@code dev.flk.backend.postgres} provides the connections and runs the migrations.
 */
@NullMarked
package dev.flk.backend.dedup.postgres;

import org.jspecify.annotations.NullMarked;
