// SPDX-License-Identifier: Apache-2.0
/**
 * The append-only, checksummed, segmented log. It stores bytes under sequence numbers and does not know certificates.
 * {@code Log} writes, {@code LogReader} reads, {@code LogInspector} reads a log that another process owns, and {@code
 * LogRepair} repairs a damaged log. The agent, the backend and the state engine use it.
 */
@NullMarked
package dev.flk.wal;

import org.jspecify.annotations.NullMarked;
