// SPDX-License-Identifier: Apache-2.0
package dev.flk.client;

/**
 * Of the state as a whole.
 *
 * @param format of what it keeps on disk
 * @param engine as STATE_ENGINE of the backend has it
 * @param oldestRevision from which a replay can begin
 * @param keys with those that are deleted, about
 * @param bytes that it takes, about
 * @param notServing the reason why no commit succeeds, with a description; empty: none is known
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
