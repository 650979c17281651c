/**
 * The HTTP interfaces of a running agent for its machine: programs submit certificates on a Unix socket or a loopback
 * port, and operators query and control the agent. Besides the TLS settings of {@code send}, this is the only package
 * of the agent that uses Netty.
 */
@NullMarked
package dev.flk.agent.control;

import org.jspecify.annotations.NullMarked;
