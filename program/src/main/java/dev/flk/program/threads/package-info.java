// SPDX-License-Identifier: Apache-2.0
/** Threads, as every executor of the programs creates them. Any package may use it. */
@NullMarked
package dev.flk.program.threads;

import org.jspecify.annotations.NullMarked;
