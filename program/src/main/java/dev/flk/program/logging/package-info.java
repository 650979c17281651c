// SPDX-License-Identifier: Apache-2.0
/** How log lines leave a program, and how those that could flood the log are held back. */
@NullMarked
package dev.flk.program.logging;

import org.jspecify.annotations.NullMarked;
