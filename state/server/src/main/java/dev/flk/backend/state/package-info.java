// SPDX-License-Identifier: Apache-2.0
/**
 * Serves the state of agents over gRPC. {@code run} opens {@code ServedState}; {@code StatePort} opens the port, {@code
 * StateService} answers its calls.
 */
@NullMarked
package dev.flk.backend.state;

import org.jspecify.annotations.NullMarked;
