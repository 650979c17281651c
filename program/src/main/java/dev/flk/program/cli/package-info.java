// SPDX-License-Identifier: Apache-2.0
/** Manners of commands, for every program here. Knows nothing of what they do. */
@NullMarked
package dev.flk.program.cli;

import org.jspecify.annotations.NullMarked;
