// SPDX-License-Identifier: Apache-2.0
/** The program {@code flk-state}: the state of agents over gRPC, and their sessions over HTTP. */
@NullMarked
package dev.flk.state.server;

import org.jspecify.annotations.NullMarked;
