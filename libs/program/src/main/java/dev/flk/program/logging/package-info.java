// SPDX-License-Identifier: Apache-2.0
/** The output of log lines, limits for repetitive ones, and the audit log. */
@NullMarked
package dev.flk.program.logging;

import org.jspecify.annotations.NullMarked;
