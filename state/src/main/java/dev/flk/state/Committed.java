// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import java.util.List;

/**
 * The answer to a commit; all of it is on disk.
 *
 * @param revision 0 if the transaction changed nothing
 * @param committedAtMicros since the epoch; 0 if it changed nothing
 * @param versions of each operation, in order: the version that it made; of a check and of a deletion of what was not there the one
 *     that stands, 0 for none
 */
public record Committed(long revision, long committedAtMicros, List<Long> versions) {}
