// SPDX-License-Identifier: Apache-2.0
/** The circuit breaker of the agent's endpoints and of the backend's stores. */
@NullMarked
package dev.flk.program.breaker;

import org.jspecify.annotations.NullMarked;
