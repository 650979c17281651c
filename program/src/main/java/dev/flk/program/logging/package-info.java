// SPDX-License-Identifier: Apache-2.0
/** The output of log lines, and limits for repetitive ones. */
@NullMarked
package dev.flk.program.logging;

import org.jspecify.annotations.NullMarked;
