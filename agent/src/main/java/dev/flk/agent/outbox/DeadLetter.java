// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import java.time.Instant;

/**
 * A certificate that is given up.
 *
 * @param when it was given up
 * @param entry what it was in the outbox
 * @param pcsId its id, as far as it has one
 * @param status of the answer that ended it, 0 if no answer did
 * @param reason in words
 * @param attempts how often it was sent since the agent's start
 * @param certificate as it was taken in, JSON in UTF-8
 */
public record DeadLetter(
        Instant when, Entry entry, String pcsId, int status, String reason, int attempts, byte[] certificate) {}
