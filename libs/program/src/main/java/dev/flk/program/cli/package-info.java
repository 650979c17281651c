// SPDX-License-Identifier: Apache-2.0
/**
 * Output, names and signal handling that the commands of every program share. Independent of the commands themselves.
 */
@NullMarked
package dev.flk.program.cli;

import org.jspecify.annotations.NullMarked;
