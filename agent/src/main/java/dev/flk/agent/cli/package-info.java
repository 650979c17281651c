// SPDX-License-Identifier: Apache-2.0
/**
 * The command line. Each command creates the objects that it needs, usually from the configuration; {@code Failures}
 * turns every failure into a sentence and an exit code. {@code Main} is the entry point; no other package of the agent
 * calls this one.
 */
@NullMarked
package dev.flk.agent.cli;

import org.jspecify.annotations.NullMarked;
