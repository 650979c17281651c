// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli.remote;

import dev.flk.backend.operate.cli.options.Configuration;
import dev.flk.backend.operate.cli.options.OptionText;
import dev.flk.backend.operate.cli.remote.RunningBackend.StateTarget;
import dev.flk.backend.state.StateConfig;
import dev.flk.backend.state.StateDump;
import dev.flk.backend.state.StoppedState;
import dev.flk.client.Commit;
import dev.flk.client.StateCallException;
import dev.flk.client.StateClient;
import dev.flk.client.Transaction;
import dev.flk.client.Versioned;
import dev.flk.program.cli.Json;
import dev.flk.program.cli.Output;
import dev.flk.program.files.Utf8;
import dev.flk.program.logging.LogOutput.LogConfig;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.PrintWriter;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.net.UnknownHostException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/**
 * The options that the commands {@code state} share, and the client with which they call the state of a running backend
 * or, with {@code --offline}, open the state themselves.
 */
final class StateConnection {
    /**
     * The time limit of a call, including its retries. It is short, because a person waits for the call. It does not
     * apply to replays and to the calls of {@code StateCare}.
     */
    private static final Duration TIMEOUT = Duration.ofSeconds(10);

    static final String DEFAULT_NAMESPACE = "default";

    private final Configuration config;

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

    @Option(
            names = "--offline",
            scope = ScopeType.INHERIT,
            description = "Open the state of the configuration; the backend must be stopped.")
    private boolean offline;

    @Option(
            names = "--namespace",
            scope = ScopeType.INHERIT,
            paramLabel = "NAME",
            description = "The namespace (default: " + DEFAULT_NAMESPACE + "; for a dump without AGENT, all).")
    private @Nullable String namespace;

    @Option(names = "--json", scope = ScopeType.INHERIT, description = "One JSON object per line.")
    private boolean json;

    private String connected = "its directory";

    @Spec(Spec.Target.MIXEE)
    private CommandSpec spec = CommandSpec.create();

    StateConnection(Configuration config) {
        this.config = config;
    }

    /** The part of a command that calls the state. */
    interface Call {
        void on(StateClient client) throws IOException;
    }

    /** Runs a command that calls the state in the namespace of the options, and returns the exit code. */
    int with(Call call) throws IOException {
        Configuration.logOnlyErrors(LogConfig.Format.TEXT);
        if (!offline) {
            try (StateClient client = connect()) {
                return with(client, call);
            }
        }
        try (StoppedState stopped = StoppedState.open(configured("--offline"))) {
            return with(stopped.client(), call);
        }
    }

    private int with(StateClient client, Call call) throws IOException {
        try {
            call.on(client.namespace(namespaceOr(DEFAULT_NAMESPACE)));
            return ExitCode.OK;
        } catch (StateCallException.Unreachable e) {
            throw unreachable(String.valueOf(e.getMessage()), e);
        } catch (StateCallException e) {
            throw new IOException(e.getMessage(), e);
        }
    }

    /** Runs a command that commits one write, and returns the exit code. */
    int commit(Consumer<Transaction> staged) throws IOException {
        return with(client -> {
            try (Transaction tx = client.begin()) {
                staged.accept(tx);
                printCommit(tx.commit());
            }
        });
    }

    /** Prints the result of a commit of one write. */
    void printCommit(Commit committed) {
        printCommit(
                committed, commit -> "version " + commit.versions().get(0) + ", revision " + commit.revision() + "\n");
    }

    /** @param text the result of a commit that has changed something */
    void printCommit(Commit committed, Function<Commit, String> text) {
        print(committed, commit -> commit.revision() == 0 ? "nothing to do\n" : text.apply(commit));
    }

    void printValue(Versioned found) {
        print(StateDump.VersionLine.of(found), line -> Json.inert(String.valueOf(line.value())) + "\n");
    }

    /** Prints a result in the form that {@code --json} selects. */
    <R> void print(R result, Function<? super R, String> text) {
        output().print(result, text);
    }

    Output output() {
        return new Output(out()::print, json);
    }

    PrintWriter out() {
        return spec.commandLine().getOut();
    }

    ParameterException usage(String message) {
        return new ParameterException(spec.commandLine(), message);
    }

    /** Returns the namespace of the options, or {@code other} if none is given. */
    String namespaceOr(String other) {
        if (namespace != null && namespace.isEmpty()) {
            throw usage("--namespace: the name is empty; is a variable not set?");
        }
        return namespace == null ? other : namespace;
    }

    /** Calls one of two functions with the revision or the time that the text of an option names. */
    <T> T at(String option, String text, LongFunction<T> atRevision, Function<Instant, T> atTime) {
        return text.matches("[0-9]{1,18}")
                ? atRevision.apply(Long.parseLong(text))
                : atTime.apply(OptionText.timeOrRevision(spec, option, text));
    }

    <T> T parsed(String option, String text, Function<String, T> parse) {
        return OptionText.parsed(spec, option, text, parse);
    }

    static void require(boolean holds, String problem) throws IOException {
        if (!holds) {
            throw new IOException(problem);
        }
    }

    static <T> T require(Optional<T> found, String problem) throws IOException {
        return found.orElseThrow(() -> new IOException(problem));
    }

    /** Reads standard input, which must be UTF-8. */
    static String standardInput() throws IOException {
        try {
            return Utf8.decode(System.in.readAllBytes());
        } catch (CharacterCodingException e) {
            throw new IOException("the value on standard input is not UTF-8", e);
        }
    }

    /**
     * Returns the settings of the state of the configuration. Throws if an option to reach a backend was given.
     *
     * @param what the command or option that contacts no backend
     */
    StateConfig configured(String what) {
        if (url != null || authorities != null || certificate != null || certificateKey != null || tokenFile != null) {
            throw usage(what + " contacts no backend: leave out --url, --ca, --cert, --key and --token-file");
        }
        return RunningBackend.served(config.load());
    }

    /**
     * Returns a client for the address in {@code --url} or, without this option, for the backend of the configuration.
     * The client connects when the first call is made.
     *
     * @throws IOException if the host is unknown, nothing listens at the address, or a file can't be used
     */
    private StateClient connect() throws IOException {
        StateTarget target = url == null
                ? RunningBackend.state(config)
                : new StateTarget(address(url), scheme(url).equals("https"));
        connected = target.address();
        if ((certificate == null) != (certificateKey == null)) {
            throw usage("--cert and --key: give both or neither");
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

    private IOException unreachable(String why, @Nullable Exception cause) {
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
        throw usage("--url: write it like http://127.0.0.1:50051");
    }

    private static String scheme(String text) {
        int end = text.indexOf("://");
        return end < 0 ? "http" : text.substring(0, end).toLowerCase(Locale.ROOT);
    }
}
