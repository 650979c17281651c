/**
 * The HTTP interfaces of a running agent for its machine: programs submit certificates on a Unix socket or a loopback
 * port, and operators query and control the agent. Only this package, and {@code send} for its TLS settings, use Netty.
 */
@NullMarked
package dev.flk.agent.control;

import org.jspecify.annotations.NullMarked;
