/**
 * The sources of certificates: files, standard input, the spool directory. All of them use the same durable append to
 * the outbox. The callers are the command line and the running agent.
 */
@NullMarked
package dev.flk.agent.source;

import org.jspecify.annotations.NullMarked;
