/**
 * The running agent. It opens outbox, dead letters, sender, metrics and local servers in the order of their
 * dependencies, and closes them in reverse order. The command line starts and stops the agent; other programs can embed
 * it.
 */
@NullMarked
package dev.flk.agent.run;

import org.jspecify.annotations.NullMarked;
