// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

/**
 * What names an entry for good: its sequence, and when it was added, so that names stay different even after the outbox was deleted and
 * began anew.
 *
 * @param addedMillis milliseconds since 1970
 */
record Name(long sequence, long addedMillis) {}
