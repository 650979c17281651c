// SPDX-License-Identifier: Apache-2.0
/** The agent program: its entry point, its configuration and its wiring. Nothing calls in. */
@NullMarked
package dev.flk.agent;

import org.jspecify.annotations.NullMarked;
