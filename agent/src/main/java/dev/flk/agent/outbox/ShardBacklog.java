// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

/**
 * What waits of one shard.
 *
 * @param entries how many
 * @param oldestAddedMillis when the one that has waited longest was added, milliseconds since 1970; -1 if none waits
 */
public record ShardBacklog(int entries, long oldestAddedMillis) {}
