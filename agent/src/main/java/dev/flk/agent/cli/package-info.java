/**
 * The command line, with one file for each command. Each command reads the configuration and creates the objects that
 * it needs; {@code Failures} turns every failure into a sentence and an exit code. {@code Main} is the entry point; no
 * other package calls this one.
 */
@NullMarked
package dev.flk.agent.cli;

import org.jspecify.annotations.NullMarked;
