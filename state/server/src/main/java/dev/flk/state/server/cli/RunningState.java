// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.server.cli;

import dev.flk.backend.serve.guard.OpsConfig;
import dev.flk.backend.state.StateConfig;
import dev.flk.program.config.InvalidConfig;
import dev.flk.state.server.config.ServerConfig;
import java.util.List;
import java.util.Optional;

/**
 * The addresses and the login with which commands reach the program of a configuration. If nothing is configured, the
 * default addresses are used. If the configuration is invalid, no default is used, because another program may have it.
 */
final class RunningState {
    private static final String DEFAULT_URL = "http://127.0.0.1:8081";
    private static final String DEFAULT_STATE_URL = "http://127.0.0.1:50051";

    private RunningState() {}

    /** Returns the URL at which the state is served. */
    static String stateUrl(Configuration configuration) {
        return configuration
                .read(ServerConfig::loadIfAny)
                .map(config -> {
                    StateConfig state = served(config);
                    requireKnown("STATE_PORT", state.port());
                    return scheme(config) + address(state.bindAddress(), state.port());
                })
                .orElse(DEFAULT_STATE_URL);
    }

    /** Returns the settings of the state; throws if it is off. */
    static StateConfig served(ServerConfig config) {
        return config.state().orElseThrow(() -> new InvalidConfig(List.of("STATE_PORT: is off, so there is no state")));
    }

    /** Returns the URL of the metrics and probes, without a slash at the end. */
    static String url(Configuration configuration) {
        return configuration
                .read(ServerConfig::loadIfAny)
                .map(config -> {
                    Optional<OpsConfig> ops = config.ops();
                    requireKnown(
                            ops.isPresent() ? "OPS_PORT" : "PORT",
                            ops.map(OpsConfig::port).orElse(config.port()));
                    return url(config);
                })
                .orElse(DEFAULT_URL);
    }

    /** Returns the URL of the metrics and probes of a configuration, without a slash at the end. */
    static String url(ServerConfig config) {
        return config.ops()
                .map(ops -> "http://" + address(ops.bindAddress(), ops.port()))
                .orElseGet(() -> publicUrl(config));
    }

    /** Returns the URL of the sessions, without a slash at the end. */
    static String publicUrl(Configuration configuration) {
        return configuration
                .read(ServerConfig::loadIfAny)
                .map(config -> {
                    requireKnown("PORT", config.port());
                    return publicUrl(config);
                })
                .orElse(DEFAULT_URL);
    }

    private static String publicUrl(ServerConfig config) {
        return scheme(config) + address(config.bindAddress(), config.port());
    }

    private static String scheme(ServerConfig config) {
        return config.tls().isPresent() ? "https://" : "http://";
    }

    /** Returns the host and the port to connect to; the host is loopback if the program listens on all addresses. */
    static String address(String bindAddress, int port) {
        boolean isAny = bindAddress.equals("0.0.0.0") || bindAddress.equals("::");
        String host = isAny ? "127.0.0.1" : bindAddress.contains(":") ? "[" + bindAddress + "]" : bindAddress;
        return host + ":" + port;
    }

    private static void requireKnown(String name, int port) {
        if (port == 0) {
            throw new InvalidConfig(
                    List.of(name + ": is 0, so the program chose a free port; its log names the port; use --url"));
        }
    }

    /** Returns the operators' login for Basic authentication, ignoring invalid values of other settings. */
    static Optional<String> login(Configuration configuration) {
        return configuration
                .read(ServerConfig::operatorsLogin)
                .map(login -> ServerConfig.basic(login).text());
    }
}
