// SPDX-License-Identifier: Apache-2.0
package dev.flk.client;

import java.time.Instant;
import java.util.List;

/**
 * What a transaction was committed as. It is on disk.
 *
 * @param revision 0: it changed nothing
 * @param committedAt the epoch, if it changed nothing
 * @param versions of each operation, in order: the version that it made
 */
public record Commit(long revision, Instant committedAt, List<Long> versions) {}
