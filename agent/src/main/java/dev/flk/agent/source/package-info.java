/**
 * The sources of certificates: files, standard input and the spool directory, all of which use {@code Intake} to add
 * certificates durably to the outbox. The callers are the command line and the running agent.
 */
@NullMarked
package dev.flk.agent.source;

import org.jspecify.annotations.NullMarked;
