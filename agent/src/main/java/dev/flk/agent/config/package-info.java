// SPDX-License-Identifier: Apache-2.0
/**
 * The agent's complete configuration. Each feature reads its own part from the environment and a properties file. All
 * problems are reported together. The command line, the package {@code doctor} and the running agent use the class
 * {@code AgentConfig}.
 */
@NullMarked
package dev.flk.agent.config;

import org.jspecify.annotations.NullMarked;
