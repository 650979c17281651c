// SPDX-License-Identifier: Apache-2.0
/** Output and signal handling that the commands of every program share. Does not know the commands. */
@NullMarked
package dev.flk.program.cli;

import org.jspecify.annotations.NullMarked;
