/**
 * The running agent: outbox, spool, sender and metrics wired together, opened in order of need and closed in reverse. The
 * command line starts and stops it.
 */
@NullMarked
package dev.flk.agent.run;

import org.jspecify.annotations.NullMarked;
