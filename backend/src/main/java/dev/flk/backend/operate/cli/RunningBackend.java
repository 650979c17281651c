// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.serve.HttpConfig.Login;
import dev.flk.backend.serve.HttpConfig.OpsConfig;
import dev.flk.backend.state.StateConfig;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.diagnostics.Scrubber;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The addresses and the login with which commands reach the backend of a configuration. If nothing is configured, the
 * default addresses are used. If the configuration is invalid, no default is used, because the backend on the default
 * port may be a different backend.
 */
final class RunningBackend {
    private static final String DEFAULT_URL = "http://127.0.0.1:8080";
    private static final StateTarget DEFAULT_STATE = new StateTarget("127.0.0.1:50051", false);

    private RunningBackend() {}

    /** @param address the host and the port */
    record StateTarget(String address, boolean isTls) {}

    /**
     * Returns the address at which the state is served.
     *
     * @throws InvalidConfig if the configuration has a problem, the state is off, or the state's port is 0
     */
    static StateTarget state(Map<String, String> environment, @Nullable Path file) {
        return BackendConfig.loadIfAny(environment, file)
                .map(config -> {
                    StateConfig state = served(config);
                    requireKnown("STATE_PORT", state.port());
                    return new StateTarget(address(state), config.tls().isPresent());
                })
                .orElse(DEFAULT_STATE);
    }

    /** Returns the host and the port of the state of a configuration. */
    static String address(StateConfig state) {
        return host(state.bindAddress()) + ":" + state.port();
    }

    /**
     * Returns the settings of the state.
     *
     * @throws InvalidConfig if the state is off
     */
    static StateConfig served(BackendConfig config) {
        return config.state().orElseThrow(() -> new InvalidConfig(List.of("STATE_PORT: is off, so there is no state")));
    }

    /**
     * Returns the URL of the metrics, the probes and the record, without a slash at the end.
     *
     * @throws InvalidConfig if the configuration has a problem, or the port is 0
     */
    static String url(Map<String, String> environment, @Nullable Path file) {
        return BackendConfig.loadIfAny(environment, file)
                .map(config -> {
                    requireKnown(config.ops().isPresent() ? "OPS_PORT" : "PORT", port(config));
                    return url(config);
                })
                .orElse(DEFAULT_URL);
    }

    private static void requireKnown(String name, int port) {
        if (port == 0) {
            throw new InvalidConfig(
                    List.of(name + ": is 0, so the backend chose a free port; its log names the port; use --url"));
        }
    }

    /** Returns the URL of the metrics, the probes and the record of a configuration, without a slash at the end. */
    static String url(BackendConfig config) {
        String address =
                config.ops().map(OpsConfig::bindAddress).orElse(config.http().bindAddress());
        boolean isTls = config.ops().isEmpty() && config.tls().isPresent();
        return (isTls ? "https://" : "http://") + host(address) + ":" + port(config);
    }

    /**
     * Returns the URL of the public port, without a slash at the end.
     *
     * @throws InvalidConfig if the configuration has a problem, or the port is 0
     */
    static String publicUrl(Map<String, String> environment, @Nullable Path file) {
        return BackendConfig.loadIfAny(environment, file)
                .map(config -> {
                    requireKnown("PORT", config.http().port());
                    return (config.tls().isPresent() ? "https://" : "http://")
                            + host(config.http().bindAddress()) + ":"
                            + config.http().port();
                })
                .orElse(DEFAULT_URL);
    }

    private static int port(BackendConfig config) {
        return config.ops().map(OpsConfig::port).orElse(config.http().port());
    }

    /** Returns the host to connect to: loopback if the backend listens on all addresses. */
    private static String host(String bindAddress) {
        if (bindAddress.equals("0.0.0.0") || bindAddress.equals("::")) {
            return "127.0.0.1";
        }
        return bindAddress.contains(":") ? "[" + bindAddress + "]" : bindAddress;
    }

    /** Returns the operators' login for Basic authentication; empty if none is configured. */
    static Optional<String> login(BackendConfig config) {
        return Optional.ofNullable(config.http().operators().login()).map(RunningBackend::basic);
    }

    /**
     * Returns the operators' login for Basic authentication, ignoring invalid values of other settings; empty if none
     * is configured.
     *
     * @throws InvalidConfig if the login can't be read
     */
    static Optional<String> login(Map<String, String> environment, @Nullable Path file) {
        return BackendConfig.operatorsLogin(environment, file).map(RunningBackend::basic);
    }

    private static String basic(Login login) {
        return Scrubber.basicLogin(login.user(), login.password().text());
    }
}
