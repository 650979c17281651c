// SPDX-License-Identifier: Apache-2.0
/**
 * The append-only, checksummed, segmented log. It knows bytes and sequence numbers and nothing of certificates.
 * {@code Log} writes, {@code LogReader} reads, {@code LogInspector} reads a log that another process owns, {@code LogRepair}
 * repairs a damaged one; backend and agent call in.
 */
@NullMarked
package dev.flk.wal;

import org.jspecify.annotations.NullMarked;
