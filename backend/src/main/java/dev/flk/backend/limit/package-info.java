// SPDX-License-Identifier: Apache-2.0
/**
 * The rate limit in front of ingest. {@code ingest} takes one token per certificate; only the bootstrap constructs the
 * bucket. Nothing here knows of HTTP.
 */
@NullMarked
package dev.flk.backend.limit;

import org.jspecify.annotations.NullMarked;
