// SPDX-License-Identifier: Apache-2.0
/**
 * Who may send how much. {@code http} asks {@link dev.flk.backend.limit.Limits} before it reads, {@code ingest} for each certificate; only the
 * bootstrap constructs it. Nothing here knows of HTTP.
 */
@NullMarked
package dev.flk.backend.limit;

import org.jspecify.annotations.NullMarked;
