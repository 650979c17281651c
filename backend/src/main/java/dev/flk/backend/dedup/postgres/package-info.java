// SPDX-License-Identifier: Apache-2.0
/**
 * The store in PostgreSQL, which several backends may share. Only the bootstrap calls this package, to construct the
 * store; no other package knows about its JDBC, pool or migrations.
 */
@NullMarked
package dev.flk.backend.dedup.postgres;

import org.jspecify.annotations.NullMarked;
