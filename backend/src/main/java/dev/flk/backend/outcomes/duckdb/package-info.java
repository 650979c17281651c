// SPDX-License-Identifier: Apache-2.0
/** The loading of DuckDB and of what uses it. */
@NullMarked
package dev.flk.backend.outcomes.duckdb;

import org.jspecify.annotations.NullMarked;
