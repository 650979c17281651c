// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import dev.flk.backend.operate.cli.CommandLineProgram;
import dev.flk.backend.operate.cli.CommandLineProgram.BuildVersion;
import dev.flk.backend.operate.cli.CommandLineProgram.Service;
import dev.flk.backend.run.Backend;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.Predicate;

/**
 * A backend that runs in the JVM of the tests as {@code flk-backend serve} does. The start of a process takes most of
 * the time of a short test. The backend is ready when a method returns it, unless its store can't be used.
 *
 * <p>It differs from a {@link BackendProcess} in that relative directories are relative to the directory of the test,
 * its log has the lines of all backends that run in this JVM, and all have the log level of the one that started last.
 *
 * <p>This is the only class of these tests that uses classes of the backend.
 */
final class BackendInJvm extends ServedBackend {
    private final Lines lines = new Lines();
    private final Backend backend;

    private BackendInJvm(Map<String, String> environment, String... args) {
        Backend[] started = new Backend[1];
        CapturedLog.OF_JVM.addReader(lines);
        Command serve = run(
                environment,
                (config, again) -> {
                    started[0] = Backend.start(config, BuildVersion.text(), again);
                    started[0].serve();
                },
                args);
        if (started[0] == null) {
            CapturedLog.OF_JVM.removeReader(lines);
            throw new AssertionError("the backend did not start: " + serve.all());
        }
        backend = started[0];
    }

    static BackendInJvm start(Path directory) {
        return start(directory, Map.of());
    }

    /** Starts a backend with settings that extend or override {@link #environment}. */
    static BackendInJvm start(Path directory, Map<String, String> more, String... args) {
        return serve(inDirectory(directory, environment(directory, more)), args);
    }

    /**
     * Creates the log of the backend in a directory. Without one, a start waits for a shared store, which may know a log
     * of this name.
     */
    static void createLog(Path directory) {
        start(directory, Map.of("DEDUP_BACKEND", "memory", "RECORD", "off")).close();
    }

    /** Starts a backend with exactly these settings and arguments, whose paths must be absolute. */
    static BackendInJvm serve(Map<String, String> environment, String... args) {
        BackendInJvm backend = new BackendInJvm(environment, args);
        try {
            backend.awaitServing();
            return backend;
        } catch (AssertionError e) {
            backend.close();
            throw e;
        }
    }

    /** Starts a backend that must not serve, with settings like {@link #start}, and returns what it prints. */
    static Command refused(Path directory, Map<String, String> more) {
        return run(inDirectory(directory, environment(directory, more)), (config, again) -> {
            Backend.start(config, BuildVersion.text(), again).close();
            throw new AssertionError("the backend starts");
        });
    }

    /** Runs a command of the backend, other than {@code serve}. */
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
        CommandLineProgram program =
                new CommandLineProgram(environment, service, new PrintWriter(out), new PrintWriter(err));
        return new Command(program.run(args), out.toString(), err.toString());
    }

    /** Returns the settings with absolute directories of data. */
    private static Map<String, String> inDirectory(Path directory, Map<String, String> environment) {
        Map.of("WAL_DIR", "data/wal", "DEDUP_DIR", "data/dedup")
                .forEach((name, usual) -> environment.put(
                        name,
                        directory.resolve(environment.getOrDefault(name, usual)).toString()));
        return environment;
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
        backend.close();
        CapturedLog.OF_JVM.removeReader(lines);
    }
}
