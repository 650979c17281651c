// SPDX-License-Identifier: Apache-2.0
/** The thread factory of the executors of the programs. Any package may use it. */
@NullMarked
package dev.flk.program.threads;

import org.jspecify.annotations.NullMarked;
