// SPDX-License-Identifier: Apache-2.0
/**
 * The commands that ask a running backend, over HTTP or, for the state, gRPC: {@code logs}, {@code record},
 * {@code review}, {@code sessions} and {@code state}. Other commands use only {@link dev.flk.backend.operate.cli.remote.BackendConnection} and
 * {@link dev.flk.backend.operate.cli.remote.RunningBackend}.
 */
@NullMarked
package dev.flk.backend.operate.cli.remote;

import org.jspecify.annotations.NullMarked;
