// SPDX-License-Identifier: Apache-2.0
/** The loading of DuckDB and of what uses it, and the table in which commands ask questions. */
@NullMarked
package dev.flk.backend.outcomes.duckdb;

import org.jspecify.annotations.NullMarked;
