// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.config.HttpConfig.OpsConfig;
import dev.flk.program.diagnostics.Scrubber;
import java.util.Optional;

/** How a command reaches the backend of a configuration, as operators do. */
final class RunningBackend {
    private RunningBackend() {}

    /** Where metrics and probes are, without a slash at the end. */
    static String url(BackendConfig config) {
        String address =
                config.ops().map(OpsConfig::bindAddress).orElse(config.http().bindAddress());
        int port = config.ops().map(OpsConfig::port).orElse(config.http().port());
        boolean isTls = config.ops().isEmpty() && config.tls().isPresent();
        return (isTls ? "https://" : "http://") + host(address) + ":" + port;
    }

    /** Where it listens on all addresses, it listens on this one. */
    static String host(String bindAddress) {
        if (bindAddress.equals("0.0.0.0") || bindAddress.equals("::")) {
            return "127.0.0.1";
        }
        return bindAddress.contains(":") ? "[" + bindAddress + "]" : bindAddress;
    }

    /** The operators' login, for Basic Auth; empty: there is none. */
    static Optional<String> login(BackendConfig config) {
        return Optional.ofNullable(config.http().metricsLogin())
                .map(login -> Scrubber.basicLogin(login.user(), login.password().text()));
    }
}
