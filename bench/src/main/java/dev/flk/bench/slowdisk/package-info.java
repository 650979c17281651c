// SPDX-License-Identifier: Apache-2.0
/** A Java agent that delays each force of a log, as a slow disk does. */
@NullMarked
package dev.flk.bench.slowdisk;

import org.jspecify.annotations.NullMarked;
