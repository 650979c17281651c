// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import java.util.List;

/**
 * The answer to a commit, given once the commit is durable.
 *
 * @param revision 0 if the transaction created no version
 * @param committedAtMicros microseconds since the epoch; 0 if the transaction created no version
 * @param versions one version for each operation, in order: the version that the operation created. A check, a touch,
 *     or the deletion of a missing key creates no version. The entry of such an operation is the newest version of the
 *     key, or 0 if the key has no version
 */
public record Committed(long revision, long committedAtMicros, List<Long> versions) {}
