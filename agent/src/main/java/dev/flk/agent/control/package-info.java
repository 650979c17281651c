/**
 * The doors to a running agent for the programs of its machine: certificates come in by HTTP on a Unix socket or a loopback port, and
 * operators ask and tell it what it does. The only room beside the configuration that knows Netty.
 */
@NullMarked
package dev.flk.agent.control;

import org.jspecify.annotations.NullMarked;
