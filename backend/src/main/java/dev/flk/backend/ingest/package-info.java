// SPDX-License-Identifier: Apache-2.0
/**
 * The path of a submission from the rate limits to its answer; {@code IngestPipeline} lists the steps in order. {@code serve} calls this package through {@code Ingest} and counts {@code RefusedSubmissions}; only {@code run} constructs the pipeline.
 */
@NullMarked
package dev.flk.backend.ingest;

import org.jspecify.annotations.NullMarked;
