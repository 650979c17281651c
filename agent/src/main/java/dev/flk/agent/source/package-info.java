/**
 * Where certificates come from: files, standard input, the spool directory. All of it ends in the same durable append to
 * the outbox. The command line and the running agent call in.
 */
@NullMarked
package dev.flk.agent.source;

import org.jspecify.annotations.NullMarked;
