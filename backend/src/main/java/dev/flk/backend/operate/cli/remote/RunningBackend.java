// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli.remote;

import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.operate.cli.options.Configuration;
import dev.flk.backend.serve.guard.OperatorConfig.Login;
import dev.flk.backend.serve.guard.OpsConfig;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.diagnostics.Scrubber;
import java.util.List;
import java.util.Optional;

/**
 * The addresses and the login with which commands reach the backend of a configuration. If nothing is configured, the
 * default addresses are used. If the configuration is invalid, no default is used, because the backend on the default
 * port may be a different backend.
 */
public final class RunningBackend {
    private static final String DEFAULT_URL = "http://127.0.0.1:8080";

    private RunningBackend() {}

    /**
     * Returns the URL of the metrics, the probes and the record, without a slash at the end.
     *
     * @throws InvalidConfig if the configuration has a problem, or the port is 0
     */
    static String url(Configuration configuration) {
        return configuration
                .read(BackendConfig::loadIfAny)
                .map(config -> {
                    Optional<OpsConfig> ops = config.ops();
                    requireKnown(
                            ops.isPresent() ? "OPS_PORT" : "PORT",
                            ops.map(OpsConfig::port).orElse(config.http().port()));
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
    public static String url(BackendConfig config) {
        return config.ops()
                .map(ops -> "http://" + address(ops.bindAddress(), ops.port()))
                .orElseGet(() -> publicUrl(config));
    }

    /**
     * Returns the URL of the public port, without a slash at the end.
     *
     * @throws InvalidConfig if the configuration has a problem, or the port is 0
     */
    static String publicUrl(Configuration configuration) {
        return configuration
                .read(BackendConfig::loadIfAny)
                .map(config -> {
                    requireKnown("PORT", config.http().port());
                    return publicUrl(config);
                })
                .orElse(DEFAULT_URL);
    }

    private static String publicUrl(BackendConfig config) {
        return scheme(config)
                + address(config.http().bindAddress(), config.http().port());
    }

    private static String scheme(BackendConfig config) {
        return config.tls().isPresent() ? "https://" : "http://";
    }

    /** Returns the host and the port to connect to; the host is loopback if the backend listens on all addresses. */
    private static String address(String bindAddress, int port) {
        boolean isAny = bindAddress.equals("0.0.0.0") || bindAddress.equals("::");
        String host = isAny ? "127.0.0.1" : bindAddress.contains(":") ? "[" + bindAddress + "]" : bindAddress;
        return host + ":" + port;
    }

    /** Returns the operators' login for Basic authentication; empty if none is configured. */
    public static Optional<String> login(BackendConfig config) {
        return Optional.ofNullable(config.http().operators().login()).map(RunningBackend::basic);
    }

    /**
     * Returns the operators' login for Basic authentication, ignoring invalid values of other settings; empty if none
     * is configured.
     *
     * @throws InvalidConfig if the login can't be read
     */
    static Optional<String> login(Configuration configuration) {
        return configuration.read(BackendConfig::operatorsLogin).map(RunningBackend::basic);
    }

    private static String basic(Login login) {
        return Scrubber.basicLogin(login.user(), login.password().text());
    }
}
