// SPDX-License-Identifier: Apache-2.0
/** The state of agents over gRPC: {@code StatePort} opens it, {@code StateService} answers its calls. */
@NullMarked
package dev.flk.backend.state;

import org.jspecify.annotations.NullMarked;
