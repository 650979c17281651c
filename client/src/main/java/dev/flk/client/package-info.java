// SPDX-License-Identifier: Apache-2.0
/** The Java client for the state of agents, and the stubs of its protocol, {@code flk/state/v1/state.proto}. */
@NullMarked
package dev.flk.client;

import org.jspecify.annotations.NullMarked;
