// SPDX-License-Identifier: Apache-2.0
/**
 * The heartbeat: the agent reports its state to a backend. The agent (package {@code run}) starts and
 * stops the heartbeat, which has its own thread and connection.
 */
@NullMarked
package dev.flk.agent.heartbeat;

import org.jspecify.annotations.NullMarked;
