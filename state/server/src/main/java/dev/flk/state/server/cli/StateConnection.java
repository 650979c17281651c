// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.server.cli;

import dev.flk.backend.state.StateConfig;
import dev.flk.backend.state.StateDump;
import dev.flk.backend.state.StoppedState;
import dev.flk.client.Commit;
import dev.flk.client.StateCallException;
import dev.flk.client.StateClient;
import dev.flk.client.Transaction;
import dev.flk.client.Versioned;
import dev.flk.program.cli.OptionText;
import dev.flk.program.cli.Printable;
import dev.flk.program.files.Utf8;
import dev.flk.program.logging.LogOutput.LogConfig;
import dev.flk.program.remote.RemoteConnection;
import java.io.FileNotFoundException;
import java.io.IOException;
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
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;

/**
 * The options that the commands {@code state} share, and the client with which they call the state of the running program
 * over gRPC or, with {@code --offline}, open the state themselves.
 */
final class StateConnection extends RemoteConnection {
    /**
     * The time limit of a call, including its retries. It is short, because a person waits for the call. It does not
     * apply to replays and to the calls of {@code StateCare}.
     */
    private static final Duration TIMEOUT = Duration.ofSeconds(10);

    static final String DEFAULT_NAMESPACE = "default";

    @Option(
            names = "--cert",
            scope = ScopeType.INHERIT,
            paramLabel = "FILE",
            description = "PEM file of the client certificate, if the program asks for one.")
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
            description = "Open the state of the configuration; the program must be stopped.")
    private boolean offline;

    @Option(
            names = "--namespace",
            scope = ScopeType.INHERIT,
            paramLabel = "NAME",
            description = "The namespace (default: " + DEFAULT_NAMESPACE + "; for a dump without AGENT, all).")
    private @Nullable String namespace;

    private final Configuration config;
    private String connected = "its directory";

    StateConnection(Configuration config) {
        super(() -> RunningState.url(config), () -> RunningState.login(config));
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
        print(StateDump.VersionLine.of(found), line -> Printable.json(String.valueOf(line.value())) + "\n");
    }

    /** Prints a result in the form that {@code --json} selects. */
    <R> void print(R result, Function<? super R, String> text) {
        output().print(result, text);
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
                : atTime.apply(OptionText.timeOrRevision(spec(), option, text));
    }

    <T> T parsed(String option, String text, Function<String, T> parse) {
        return OptionText.parsed(spec(), option, text, parse);
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
     * @param what the command or option that contacts no program
     */
    StateConfig configured(String what) {
        requireUnused(what);
        return RunningState.served(config.load());
    }

    @Override
    public void requireUnused(String what) {
        super.requireUnused(what);
        if (certificate != null || certificateKey != null || tokenFile != null) {
            throw usage(what + " contacts no program: leave out --cert, --key and --token-file");
        }
    }

    /**
     * Returns a client for the address in {@code --url} or, without this option, for the backend of the configuration.
     * The client connects when the first call is made.
     *
     * @throws IOException if the host is unknown, nothing listens at the address, or a file can't be used
     */
    private StateClient connect() throws IOException {
        URI target = target();
        connected = target.getAuthority();
        if ((certificate == null) != (certificateKey == null)) {
            throw usage("--cert and --key: give both or neither");
        }
        StateClient.Connector connector = StateClient.to(connected).timeout(TIMEOUT);
        try {
            if (authorities() != null) {
                connector = connector.tls(authorities());
            } else if (target.getScheme().equalsIgnoreCase("https") || certificate != null) {
                connector = connector.tls();
            }
            if (certificate != null && certificateKey != null) {
                connector = connector.certificate(certificate, certificateKey);
            }
            if (tokenFile != null) {
                connector = connector.token(token(tokenFile));
            }
            requireListener(target);
            return connector.connect();
        } catch (FileNotFoundException | IllegalArgumentException e) {
            throw new IOException("--ca, --cert or --key: " + e.getMessage(), e);
        }
    }

    /** Throws if nothing listens at the address. The client would try again until its time limit. */
    private void requireListener(URI target) throws IOException {
        InetAddress[] addresses;
        try {
            addresses = InetAddress.getAllByName(target.getHost());
        } catch (UnknownHostException e) {
            throw unreachable("its host name can't be resolved", e);
        }
        ConnectException refusal = null;
        for (InetAddress each : addresses) {
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress(each, target.getPort()), (int) TIMEOUT.toMillis());
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
                        + "; is it running, and is this its STATE_PORT?",
                cause);
    }

    private URI target() {
        String url = url(() -> RunningState.stateUrl(config));
        try {
            URI parsed = URI.create(url.contains("://") ? url : "http://" + url);
            if (parsed.getScheme().matches("(?i)https?") && parsed.getHost() != null && parsed.getPort() > 0) {
                return parsed;
            }
        } catch (IllegalArgumentException e) {
            // reported below
        }
        throw usage("--url: write it like http://127.0.0.1:50051");
    }
}
