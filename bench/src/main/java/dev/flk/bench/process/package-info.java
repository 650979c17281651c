// SPDX-License-Identifier: Apache-2.0
/** The measured programs, each in a process of its own, and their costs. */
@NullMarked
package dev.flk.bench.process;

import org.jspecify.annotations.NullMarked;
