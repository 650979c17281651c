// SPDX-License-Identifier: Apache-2.0
/**
 * The append-only, checksummed, segmented log. It knows bytes and sequence numbers and nothing of certificates.
 * {@code Log} is the door for writing, {@code LogReader} the one for reading, {@code LogInspector} the one for looking at a log that
 * somebody else owns, {@code LogRepair} the one for mending a damaged one; backend and agent call in.
 */
@NullMarked
package dev.flk.wal;

import org.jspecify.annotations.NullMarked;
