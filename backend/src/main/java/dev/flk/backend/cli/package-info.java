// SPDX-License-Identifier: Apache-2.0
/**
 * The command line, a file a command. {@link dev.flk.backend.cli.CommandLineProgram} is the door, for the entry point
 * alone; commands read the configuration and call the part of the program that does the work.
 */
@NullMarked
package dev.flk.backend.cli;

import org.jspecify.annotations.NullMarked;
