// SPDX-License-Identifier: Apache-2.0
/** The backend program: its entry point, its configuration and its wiring. Nothing calls in. */
@NullMarked
package dev.flk.backend;

import org.jspecify.annotations.NullMarked;
