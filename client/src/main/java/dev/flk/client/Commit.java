// SPDX-License-Identifier: Apache-2.0
package dev.flk.client;

import java.time.Instant;
import java.util.List;

/**
 * The result of a committed transaction, which is on disk.
 *
 * @param revision 0 if the transaction changed nothing
 * @param committedAt the epoch if the transaction changed nothing
 * @param versions for each operation, in order, the version that it created
 */
public record Commit(long revision, Instant committedAt, List<Long> versions) {}
