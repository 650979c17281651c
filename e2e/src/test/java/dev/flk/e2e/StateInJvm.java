// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import dev.flk.sample.Pcs;
import dev.flk.state.server.cli.StateProgram;
import dev.flk.state.server.cli.StateProgram.BuildVersion;
import dev.flk.state.server.cli.StateProgram.Service;
import dev.flk.state.server.run.StateServer;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/**
 * A program of the state that runs in the JVM of the tests as {@code flk-state serve} does, or its process. The only
 * class of these tests that uses classes of the program.
 */
final class StateInJvm extends ServedBackend {
    private final Lines lines = new Lines();
    private final StateServer server;

    private StateInJvm(Map<String, String> environment) {
        StateServer[] started = new StateServer[1];
        CapturedLog.OF_JVM.addReader(lines);
        Command serve =
                run(environment, (config, again) -> started[0] = StateServer.start(config, BuildVersion.text(), again));
        if (started[0] == null) {
            CapturedLog.OF_JVM.removeReader(lines);
            throw new AssertionError("the program did not start: " + serve.all());
        }
        server = started[0];
    }

    /** Returns settings: free ports, the sample key, and data in a directory. */
    static Map<String, String> settings(Path directory, Map<String, String> more) {
        Map<String, String> environment = new HashMap<>(Map.of(
                "PORT", "0",
                "BIND_ADDR", "127.0.0.1",
                "STATE_PORT", "0",
                "PCS_SIGN_ALG", "hmac",
                "PCS_HMAC_KEY", Pcs.KEY,
                "STATE_DIR", "data/state"));
        environment.putAll(more);
        if (environment.containsKey("KEYS_FILE")) {
            environment.remove("PCS_HMAC_KEY");
        }
        environment.compute(
                "STATE_DIR",
                (name, path) -> directory.resolve(String.valueOf(path)).toString());
        return environment;
    }

    /** Starts a program with settings that extend or override {@link #settings}. */
    static StateInJvm start(Path directory, Map<String, String> more) {
        return new StateInJvm(settings(directory, more));
    }

    /** Starts a process of the jar with settings that extend or override {@link #settings}. */
    static BackendProcess process(Path directory, Map<String, String> more, String... jvmOptions) throws IOException {
        return BackendProcess.of(Program.java("flk-state", directory, settings(directory, more), List.of(jvmOptions)));
    }

    /** Runs a command other than {@code serve}. */
    static Command run(Map<String, String> environment, String... args) {
        return run(
                environment,
                (config, again) -> {
                    throw new AssertionError("the command must not serve");
                },
                args);
    }

    private static Command run(Map<String, String> environment, Service service, String... args) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        StateProgram program = new StateProgram(environment, service, new PrintWriter(out), new PrintWriter(err));
        return new Command(program.run(args), out.toString(), err.toString());
    }

    @Override
    String awaitLine(Predicate<String> wanted) {
        return lines.await(wanted, () -> false);
    }

    @Override
    String allLines() {
        return lines.all();
    }

    @Override
    public void close() {
        server.close();
        CapturedLog.OF_JVM.removeReader(lines);
    }
}
