/**
 * What the agent must not forget: certificates from the moment they were taken until the backend has recorded them, and
 * those it never will. {@code Outbox} and {@code DeadLetters} are the doors; intake appends, sending settles.
 */
@NullMarked
package dev.flk.agent.outbox;

import org.jspecify.annotations.NullMarked;
