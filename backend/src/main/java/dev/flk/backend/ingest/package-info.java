// SPDX-License-Identifier: Apache-2.0
/**
 * The way of a submission: parse, check, log, decide, record. {@code IngestPipeline} reads top to bottom in the order of
 * the contract. {@code http} calls in through {@code Ingest}; only the bootstrap constructs anything here.
 */
@NullMarked
package dev.flk.backend.ingest;

import org.jspecify.annotations.NullMarked;
