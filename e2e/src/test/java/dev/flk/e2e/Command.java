// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.cli.FlkAgent;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/**
 * A command that has ended. It ran in this JVM, because the start of a process takes most of a command's time. Its
 * relative paths are therefore relative to the directory of the tests. {@link CommandLineIT} runs commands as
 * processes.
 */
record Command(int exitCode, String out, String err) {
    /** Runs a command of the backend, other than {@code serve}. */
    static Command ofBackend(Map<String, String> environment, String... args) {
        return BackendInJvm.run(environment, args);
    }

    /** Runs a command of the state's program, other than {@code serve}. */
    static Command ofState(Map<String, String> environment, String... args) {
        return StateInJvm.run(environment, args);
    }

    /** Runs a command of the agent, which logs errors only and has no standard input. */
    static Command ofAgent(Map<String, String> environment, String... args) {
        Map<String, String> quiet = new HashMap<>(environment);
        quiet.put("LOG_LEVEL", "ERROR");
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        FlkAgent program = new FlkAgent(
                quiet,
                InputStream.nullInputStream(),
                new PrintStream(out, true, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8));
        int exitCode = program.run(args);
        return new Command(exitCode, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    /** Checks the exit code and returns this command. */
    Command exits(int expected) {
        assertThat(exitCode).as(all()).isEqualTo(expected);
        return this;
    }

    /** Returns standard output, then standard error. */
    String all() {
        return (out + err).strip();
    }
}
