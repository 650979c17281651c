// SPDX-License-Identifier: Apache-2.0
/**
 * The Java clients for the state of agents and for sessions, and the stubs of the protocol of the state, {@code
 * flk/state/v1/state.proto}.
 */
@NullMarked
package dev.flk.client;

import org.jspecify.annotations.NullMarked;
