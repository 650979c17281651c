// SPDX-License-Identifier: Apache-2.0
/** The registry of logs in Postgres. */
@NullMarked
package dev.flk.backend.logs.postgres;

import org.jspecify.annotations.NullMarked;
