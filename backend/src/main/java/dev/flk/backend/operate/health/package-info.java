// SPDX-License-Identifier: Apache-2.0
/**
 * The checks of a backend and of everything that its configuration names, for the command {@code health}. They run in
 * the process of the command, and change nothing except a key in Redis that expires after a second. The entry point is
 * {@link dev.flk.backend.operate.health.BackendHealth}.
 */
@NullMarked
package dev.flk.backend.operate.health;

import org.jspecify.annotations.NullMarked;
