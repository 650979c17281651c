/**
 * The sources of certificates: files, standard input and the spool directory. All of them use {@code Intake} to add
 * certificates durably to the outbox. The callers are the command line, the running agent and its local server.
 */
@NullMarked
package dev.flk.agent.source;

import org.jspecify.annotations.NullMarked;
