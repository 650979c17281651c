// SPDX-License-Identifier: Apache-2.0
/**
 * The rate limits of senders. {@code http} asks {@link dev.flk.backend.limit.Limits} before it reads, and {@code ingest}
 * asks for each certificate; only the bootstrap constructs it. This package does not depend on HTTP.
 */
@NullMarked
package dev.flk.backend.limit;

import org.jspecify.annotations.NullMarked;
