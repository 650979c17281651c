// SPDX-License-Identifier: Apache-2.0
/**
 * The files of a log and how to read them: the format of records and segment headers, the list of segments in a
 * directory, readers, and damage. {@code dev.flk.wal} uses this package to write and repair logs; other modules use
 * only records, entries, damage, {@link dev.flk.wal.segment.LogReader} and {@link dev.flk.wal.segment.Vanished}.
 * Nothing here starts a thread or decides what to do about damage.
 */
@NullMarked
package dev.flk.wal.segment;

import org.jspecify.annotations.NullMarked;
