// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/**
 * A backend process of the jar, with its data in a directory, for tests that kill, signal or limit it. It is ready when
 * a method returns it, unless its store or its disk can't be used.
 */
final class BackendProcess extends ServedBackend {
    private final Program program;

    private BackendProcess(Program program) {
        this.program = program;
    }

    static BackendProcess start(Path directory) throws IOException {
        return start(directory, Map.of());
    }

    /** Starts a backend with settings that extend or override {@link #environment}. */
    static BackendProcess start(Path directory, Map<String, String> more) throws IOException {
        return start(directory, more, List.of());
    }

    /** Starts a backend with JVM options, and with settings that extend or override {@link #environment}. */
    static BackendProcess start(Path directory, Map<String, String> more, List<String> jvmOptions) throws IOException {
        return of(Program.java("flk-backend", directory, environment(directory, more), jvmOptions));
    }

    /** Wraps a backend program that the caller has already started. */
    static BackendProcess of(Program program) {
        BackendProcess backend = new BackendProcess(program);
        try {
            backend.awaitServing();
            return backend;
        } catch (AssertionError e) {
            program.close();
            throw e;
        }
    }

    Program program() {
        return program;
    }

    @Override
    String awaitLine(Predicate<String> wanted) {
        return program.awaitLine(wanted);
    }

    @Override
    String allLines() {
        return program.allLines();
    }

    @Override
    public void close() {
        program.close();
    }
}
