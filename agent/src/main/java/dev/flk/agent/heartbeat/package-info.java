// SPDX-License-Identifier: Apache-2.0
/**
 * The heartbeat: the agent reports its state to a backend as a session. The agent ({@code run}) starts and stops it; it
 * has its own thread and connection.
 */
@NullMarked
package dev.flk.agent.heartbeat;

import org.jspecify.annotations.NullMarked;
