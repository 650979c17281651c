// SPDX-License-Identifier: Apache-2.0
/** The tables of the record: in DuckDB, in the process, or in PostgreSQL. */
@NullMarked
package dev.flk.backend.outcomes.rows;

import org.jspecify.annotations.NullMarked;
