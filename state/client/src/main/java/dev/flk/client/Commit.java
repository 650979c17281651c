// SPDX-License-Identifier: Apache-2.0
package dev.flk.client;

import java.time.Instant;
import java.util.List;

/**
 * The result of a transaction whose changes are on disk.
 *
 * @param revision the revision of the commit; 0 if the transaction changed nothing
 * @param committedAt the time of the commit; the epoch if the transaction changed nothing
 * @param versions for each operation, in order, the version that it created. A check, a touch, or the deletion of a
 *     missing key creates no version; the entry of such an operation is the newest version of the key, or 0 if the key
 *     has no version
 */
public record Commit(long revision, Instant committedAt, List<Long> versions) {}
