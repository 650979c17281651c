// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.server.cli;

import dev.flk.program.remote.RemoteConnection;

/** The options that the commands {@code sessions} share. */
final class SessionConnection extends RemoteConnection {
    SessionConnection(Configuration config) {
        super(() -> RunningState.url(config), () -> RunningState.login(config));
    }
}
