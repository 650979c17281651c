/**
 * The running agent, which wires outbox, spool, sender and metrics together; it opens them in the order of their
 * dependencies and closes them in reverse. The command line starts and stops it.
 */
@NullMarked
package dev.flk.agent.run;

import org.jspecify.annotations.NullMarked;
