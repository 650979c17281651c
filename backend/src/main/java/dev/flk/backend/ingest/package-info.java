// SPDX-License-Identifier: Apache-2.0
/**
 * Parses, checks, logs, decides and records submissions. {@code IngestPipeline} reads top to bottom in the order of the
 * contract. {@code http} calls in through {@code Ingest}; only the bootstrap constructs anything here.
 */
@NullMarked
package dev.flk.backend.ingest;

import org.jspecify.annotations.NullMarked;
