// SPDX-License-Identifier: Apache-2.0
/** What is measured, each in a process of its own, and what that process costs. */
@NullMarked
package dev.flk.bench.process;

import org.jspecify.annotations.NullMarked;
