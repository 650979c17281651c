// SPDX-License-Identifier: Apache-2.0
/**
 * A copy of a log in a topic that others replicate: its format, the writer that follows the log, and the comparison at
 * a start.
 */
@NullMarked
package dev.flk.copy;

import org.jspecify.annotations.NullMarked;
