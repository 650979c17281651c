// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli.remote;

import dev.flk.backend.operate.cli.options.Configuration;
import dev.flk.program.remote.RemoteConnection;

/** The options that are common to all commands that ask a running backend. */
public final class BackendConnection extends RemoteConnection {
    public BackendConnection(Configuration config) {
        super(() -> RunningBackend.url(config), () -> RunningBackend.login(config));
    }

    @Override
    protected String onlyOne() {
        return "--url: give it once, and ask each backend by itself; with RECORD_STORE=postgres, each has the record of"
                + " all";
    }
}
