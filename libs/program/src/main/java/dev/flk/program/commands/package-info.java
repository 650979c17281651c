// SPDX-License-Identifier: Apache-2.0
/** The command line of a program, and the commands that every program has. */
@NullMarked
package dev.flk.program.commands;

import org.jspecify.annotations.NullMarked;
