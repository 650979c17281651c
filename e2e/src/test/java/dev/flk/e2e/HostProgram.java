// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/** A program installed on this machine, which runs to completion in a directory. */
record HostProgram(Path path, Path directory) {

    /** The exit code, and the combined standard output and standard error. */
    record Ended(int exitCode, String output) {}

    /** Returns a program. Skips the test with a message if the program is not installed. */
    static HostProgram orSkip(String name, String debianPackage, Path directory) {
        Optional<Path> path = find(name);
        assumeTrue(
                path.isPresent(),
                "not tried out: no " + name + " on the PATH; on Debian and Ubuntu the package " + debianPackage
                        + " has it (apt-get install --no-install-recommends " + debianPackage + ")");
        return new HostProgram(path.orElseThrow(), directory);
    }

    static Optional<Path> find(String name) {
        return Stream.of(System.getenv("PATH").split(File.pathSeparator, -1))
                .map(directory -> Path.of(directory, name))
                .filter(Files::isExecutable)
                .findFirst();
    }

    Ended run(String... arguments) throws IOException, InterruptedException {
        return run(Map.of(), List.of(arguments));
    }

    /** Runs the program with additional environment variables and an empty standard input. */
    Ended run(Map<String, String> environment, List<String> arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(path.toString()));
        command.addAll(arguments);
        ProcessBuilder builder =
                new ProcessBuilder(command).directory(directory.toFile()).redirectErrorStream(true);
        builder.environment().putAll(environment);
        Process process = builder.start();
        process.getOutputStream().close();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Ended(process.waitFor(), output);
    }

    /** Runs the program, which must succeed, and returns its output. */
    String succeed(String... arguments) throws IOException, InterruptedException {
        Ended ended = run(arguments);
        assertThat(ended.exitCode()).as(ended.output()).isZero();
        return ended.output();
    }
}
