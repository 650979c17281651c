// SPDX-License-Identifier: Apache-2.0
/**
 * The sources of certificates: files, standard input and the spool directory. All sources use the class {@code Intake}
 * to add certificates durably to the outbox. The command line, the running agent and its local server call this
 * package.
 */
@NullMarked
package dev.flk.agent.source;

import org.jspecify.annotations.NullMarked;
