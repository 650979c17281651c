/**
 * The command line, a file a command. It reads the configuration, wires what a command needs, and turns every failure into
 * a sentence and an exit code. {@code Main} begins it; nothing else calls in.
 */
@NullMarked
package dev.flk.agent.cli;

import org.jspecify.annotations.NullMarked;
