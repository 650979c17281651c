/**
 * What the agent is told: the environment, a properties file, and their problems, all at once. The command line calls in
 * through {@code AgentConfig}; everything else is given plain values.
 */
@NullMarked
package dev.flk.agent.config;

import org.jspecify.annotations.NullMarked;
