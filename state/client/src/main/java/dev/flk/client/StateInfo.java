// SPDX-License-Identifier: Apache-2.0
package dev.flk.client;

/**
 * Information on the state as a whole.
 *
 * @param format the version of the format on disk
 * @param engine the backend's STATE_ENGINE
 * @param oldestRevision the oldest revision at which a replay can begin
 * @param keys the approximate number of keys, including deleted keys
 * @param bytes the approximate size on disk
 * @param notServing the reason why no commit succeeds, with a description; empty if no such reason is known
 */
public record StateInfo(
        int format,
        String engine,
        String historyId,
        long newestRevision,
        long oldestRevision,
        long openTransactions,
        long keys,
        long bytes,
        String notServing) {}
