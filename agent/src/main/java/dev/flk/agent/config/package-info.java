/**
 * The agent's complete configuration, composed of those that the features read from the environment and a properties
 * file; all problems are reported at once. The command line, the doctor and the running agent use {@code AgentConfig}.
 */
@NullMarked
package dev.flk.agent.config;

import org.jspecify.annotations.NullMarked;
