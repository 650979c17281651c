// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.metrics;

/**
 * What waits of one shard.
 *
 * @param entries how many certificates
 * @param oldestSeconds how long the oldest of them has waited; 0 if there is none
 */
public record ShardWaiting(int entries, double oldestSeconds) {}
