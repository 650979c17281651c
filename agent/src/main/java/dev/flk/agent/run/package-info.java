// SPDX-License-Identifier: Apache-2.0
/**
 * The running agent. The agent opens the outbox, the file of dead letters, the metrics, the local server and the
 * heartbeat in the order of their dependencies, and closes them in reverse order. The command line starts and stops the
 * agent; other programs can embed it.
 */
@NullMarked
package dev.flk.agent.run;

import org.jspecify.annotations.NullMarked;
