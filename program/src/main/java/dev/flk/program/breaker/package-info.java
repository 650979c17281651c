// SPDX-License-Identifier: Apache-2.0
/** What the circuit breakers of the agent's endpoints and of the backend's stores share. */
@NullMarked
package dev.flk.program.breaker;

import org.jspecify.annotations.NullMarked;
