// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import dev.flk.backend.operate.cli.CommandLineProgram.ConfigOption;
import dev.flk.backend.operate.cli.RunningBackend.StateTarget;
import dev.flk.client.StateClient;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/** The options with which the command {@code state} reaches a running backend. */
final class StateConnection {
    /**
     * The time limit of a call, including its retries. It is short, because a person waits for the call. It does not
     * apply to replays and to the calls of {@code StateCare}.
     */
    private static final Duration TIMEOUT = Duration.ofSeconds(10);

    private final Map<String, String> environment;
    private final ConfigOption config;

    @Option(
            names = "--url",
            scope = ScopeType.INHERIT,
            paramLabel = "URL",
            description = "The URL of the state's port, such as http://127.0.0.1:50051; https for TLS.")
    private @Nullable String url;

    @Option(
            names = "--ca",
            scope = ScopeType.INHERIT,
            paramLabel = "FILE",
            description = "PEM file of the authorities that signed the backend's certificate.")
    private @Nullable Path authorities;

    @Option(
            names = "--cert",
            scope = ScopeType.INHERIT,
            paramLabel = "FILE",
            description = "PEM file of the client certificate, if the backend asks for one.")
    private @Nullable Path certificate;

    @Option(
            names = "--key",
            scope = ScopeType.INHERIT,
            paramLabel = "FILE",
            description = "PEM file of its private key.")
    private @Nullable Path certificateKey;

    @Option(
            names = "--token-file",
            scope = ScopeType.INHERIT,
            paramLabel = "FILE",
            description = "The file with the access token.")
    private @Nullable Path tokenFile;

    private String connected = "its directory";

    @Spec(Spec.Target.MIXEE)
    private CommandSpec spec = CommandSpec.create();

    StateConnection(Map<String, String> environment, ConfigOption config) {
        this.environment = environment;
        this.config = config;
    }

    /**
     * Throws if an option of this connection was given although no backend is contacted.
     *
     * @param what the command or option that contacts no backend
     */
    void requireNoBackend(String what) {
        if (url != null || authorities != null || certificate != null || certificateKey != null || tokenFile != null) {
            throw new ParameterException(
                    spec.commandLine(),
                    what + " contacts no backend: leave out --url, --ca, --cert, --key and --token-file");
        }
    }

    /**
     * Returns a client for the address in {@code --url} or, without this option, for the backend of the configuration.
     * The client connects when the first call is made.
     *
     * @throws IOException if the host is unknown, nothing listens at the address, or a file can't be used
     */
    StateClient connect() throws IOException {
        StateTarget target = url == null
                ? RunningBackend.state(environment, config.file)
                : new StateTarget(address(url), scheme(url).equals("https"));
        connected = target.address();
        if ((certificate == null) != (certificateKey == null)) {
            throw new ParameterException(spec.commandLine(), "--cert and --key: give both or neither");
        }
        StateClient.Connector connector = StateClient.to(target.address()).timeout(TIMEOUT);
        try {
            if (authorities != null) {
                connector = connector.tls(authorities);
            } else if (target.isTls() || certificate != null) {
                connector = connector.tls();
            }
            if (certificate != null && certificateKey != null) {
                connector = connector.certificate(certificate, certificateKey);
            }
            if (tokenFile != null) {
                connector = connector.token(BackendConnection.token(tokenFile));
            }
            requireListener(target.address());
            return connector.connect();
        } catch (FileNotFoundException | IllegalArgumentException e) {
            throw new IOException("--ca, --cert or --key: " + e.getMessage(), e);
        }
    }

    /** Throws if nothing listens at the address. The client would try again until its time limit. */
    private void requireListener(String address) throws IOException {
        int colon = address.lastIndexOf(':');
        int port = Integer.parseInt(address.substring(colon + 1));
        InetAddress[] addresses;
        try {
            addresses = InetAddress.getAllByName(address.substring(0, colon));
        } catch (UnknownHostException e) {
            throw unreachable("its host name can't be resolved", e);
        }
        ConnectException refusal = null;
        for (InetAddress each : addresses) {
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress(each, port), (int) TIMEOUT.toMillis());
                return;
            } catch (ConnectException e) {
                refusal = e;
            } catch (IOException e) {
                return; // the client reports this failure if it has it too
            }
        }
        throw unreachable("nothing listens there", refusal);
    }

    /** Returns the error for a state that does not answer. */
    IOException unreachable(String why, @Nullable Exception cause) {
        return new IOException(
                "the state does not answer at " + connected + ": " + why
                        + "; is the backend running, and is this its STATE_PORT?",
                cause);
    }

    private String address(String text) {
        try {
            URI parsed = URI.create(text.contains("://") ? text : "http://" + text);
            boolean isKnown = scheme(text).equals("http") || scheme(text).equals("https");
            if (isKnown && parsed.getHost() != null && parsed.getPort() > 0) {
                return parsed.getHost() + ":" + parsed.getPort();
            }
        } catch (IllegalArgumentException e) {
            // reported below
        }
        throw new ParameterException(spec.commandLine(), "--url: write it like http://127.0.0.1:50051");
    }

    private static String scheme(String text) {
        int end = text.indexOf("://");
        return end < 0 ? "http" : text.substring(0, end).toLowerCase(Locale.ROOT);
    }
}
