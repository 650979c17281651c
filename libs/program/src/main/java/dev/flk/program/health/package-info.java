// SPDX-License-Identifier: Apache-2.0
/**
 * The checks of a program and of everything that it depends on, which run at the same time and end within a time limit.
 * A program adds its own checks to {@link dev.flk.program.health.HealthCommand}.
 */
@NullMarked
package dev.flk.program.health;

import org.jspecify.annotations.NullMarked;
