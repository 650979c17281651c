/**
 * The certificates that the agent keeps on disk. The outbox contains the certificates that wait until the backend has
 * recorded them. The file of dead letters contains the certificates that the agent has given up. Other packages use
 * {@code Outbox} and {@code DeadLetters}: {@code source} and {@code control} add entries, and {@code send} settles
 * them.
 */
@NullMarked
package dev.flk.agent.outbox;

import org.jspecify.annotations.NullMarked;
