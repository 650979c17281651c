// SPDX-License-Identifier: Apache-2.0
/** The rows of the record in a table of DuckDB, in the process. */
@NullMarked
package dev.flk.backend.outcomes.rows;

import org.jspecify.annotations.NullMarked;
