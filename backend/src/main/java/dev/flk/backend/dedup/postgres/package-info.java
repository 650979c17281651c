// SPDX-License-Identifier: Apache-2.0
/**
 * The store in PostgreSQL, which several backends may share. Nothing but the bootstrap calls in, to construct it; nothing outside
 * knows of JDBC, the pool or the migrations.
 */
@NullMarked
package dev.flk.backend.dedup.postgres;

import org.jspecify.annotations.NullMarked;
