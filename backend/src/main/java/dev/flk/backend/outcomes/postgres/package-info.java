// SPDX-License-Identifier: Apache-2.0
/**
 * The store in PostgreSQL, which several backends may share. Only {@code run} constructs the store; {@code
 * stores.postgres} provides the connections and runs the migrations.
 */
@NullMarked
package dev.flk.backend.outcomes.postgres;

import org.jspecify.annotations.NullMarked;
