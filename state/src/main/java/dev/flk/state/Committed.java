// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import java.util.List;

/**
 * The answer to a commit, given once the commit is durable.
 *
 * @param revision 0 if the transaction changed nothing
 * @param committedAtMicros microseconds since the epoch; 0 if the transaction changed nothing
 * @param versions for each operation, in order, the version that it created; for a check, or a deletion of a missing
 *     key, the existing version or 0
 */
public record Committed(long revision, long committedAtMicros, List<Long> versions) {}
