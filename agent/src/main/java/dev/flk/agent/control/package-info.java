// SPDX-License-Identifier: Apache-2.0
/**
 * The HTTP interfaces of a running agent for its machine: programs submit certificates on a Unix socket or a loopback
 * port, and operators query and control the agent. In the agent, only this package and the package {@code send} use
 * Netty; {@code send} uses it for TLS settings.
 */
@NullMarked
package dev.flk.agent.control;

import org.jspecify.annotations.NullMarked;
