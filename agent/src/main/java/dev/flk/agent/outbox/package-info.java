// SPDX-License-Identifier: Apache-2.0
/**
 * The certificates that the agent keeps on disk. The outbox contains the certificates that wait until the backend has
 * recorded them. The file of dead letters contains the certificates that the agent has given up. Other packages use the
 * classes {@code Outbox} and {@code DeadLetters}: the packages {@code source}, {@code control} and {@code run} add
 * entries to the outbox, and the package {@code send} settles the entries.
 */
@NullMarked
package dev.flk.agent.outbox;

import org.jspecify.annotations.NullMarked;
