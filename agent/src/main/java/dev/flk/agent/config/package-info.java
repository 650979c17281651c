/**
 * The agent's configuration from the environment and a properties file; all of its problems are reported at once. The command line
 * reads it through {@code AgentConfig}; all other packages receive plain values.
 */
@NullMarked
package dev.flk.agent.config;

import org.jspecify.annotations.NullMarked;
