// SPDX-License-Identifier: Apache-2.0
/** The parts of a running program, and the order in which they are closed. */
@NullMarked
package dev.flk.program.parts;

import org.jspecify.annotations.NullMarked;
