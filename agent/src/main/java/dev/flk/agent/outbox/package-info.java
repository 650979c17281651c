/**
 * The agent's durable certificates: those that wait until the backend has recorded them, and the dead letters, which it
 * never will. Other packages use {@code Outbox} and {@code DeadLetters}: intake appends entries, and sending settles
 * them.
 */
@NullMarked
package dev.flk.agent.outbox;

import org.jspecify.annotations.NullMarked;
