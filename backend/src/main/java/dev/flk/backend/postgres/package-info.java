// SPDX-License-Identifier: Apache-2.0
/** How a Postgres server is reached, how tables are made there, and what its failures mean; for the stores on it. */
@NullMarked
package dev.flk.backend.postgres;

import org.jspecify.annotations.NullMarked;
