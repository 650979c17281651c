// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests that the package {@code clients/python} can be installed with the packages of Debian and Ubuntu alone, without
 * an index, and that its module {@code statehouse} then works against a backend.
 */
class StatehouseIT {
    private static final Path PACKAGE =
            Path.of("../clients/python").toAbsolutePath().normalize();

    @TempDir
    private Path directory;

    @Test
    void installedWithoutAnIndex_passesTheTestsOfItsUsers() throws Exception {
        Path copy = copy();
        HostProgram python = install(copy);
        try (ServedBackend backend = StateInJvm.start(directory, Map.of())) {
            String state = backend.stateUrl().replace("http://", "");
            HostProgram.Ended tests = python.run(
                    Map.of("FLK_STATE", state),
                    List.of(copy.resolve("tests/test_statehouse.py").toString()));

            assertThat(tests.output()).endsWith("OK\n").doesNotContain("skipped");
        }
    }

    @Test
    @Tag("thorough")
    void editableInstallation_imports() throws Exception {
        Path copy = copy();

        HostProgram python = install("-e", copy);

        assertThat(python.succeed("-c", "import flk_state, statehouse.cli.main; print(flk_state.__file__)"))
                .startsWith(copy.toRealPath().toString());
    }

    private HostProgram install(Object... arguments) throws IOException, InterruptedException {
        HostProgram system = debianPython();
        system.succeed("-m", "venv", "--system-site-packages", "venv");
        HostProgram python = new HostProgram(directory.resolve("venv/bin/python"), directory);
        Stream<String> options = Stream.of("-m", "pip", "install", "--quiet", "--no-index", "--no-build-isolation");
        python.succeed(Stream.concat(options, Stream.of(arguments).map(Object::toString))
                .toArray(String[]::new));
        return python;
    }

    /** Returns a Python that has what the build needs. Skips the test if there is none. */
    private HostProgram debianPython() throws IOException, InterruptedException {
        for (Path path : List.of(HostProgram.find("python3").orElse(Path.of("python3")), Path.of("/usr/bin/python3"))) {
            HostProgram python = new HostProgram(path, directory);
            if (Files.isExecutable(path)
                    && python.run("-c", "import grpc, grpc_tools, setuptools, venv, wheel")
                                    .exitCode()
                            == 0) {
                return python;
            }
        }
        String packages = "python3-grpc-tools python3-grpcio python3-setuptools python3-wheel python3-venv";
        return Assumptions.abort("not tried out: no python3 with grpc_tools; on Debian and Ubuntu the packages "
                + packages + " have it (apt-get install --no-install-recommends " + packages + ")");
    }

    /** Returns a copy of the package and its protocol, because a build writes into the directory of its source. */
    private Path copy() throws IOException {
        Path root = PACKAGE.resolve("../..").normalize();
        for (String part : List.of("clients/python", "state/client/src/main/protobuf")) {
            try (Stream<Path> files = Files.walk(root.resolve(part))) {
                for (Path file :
                        (Iterable<Path>) files.filter(Files::isRegularFile).filter(StatehouseIT::isSource)::iterator) {
                    Path to = directory.resolve("copy").resolve(root.relativize(file));
                    Files.createDirectories(to.getParent());
                    Files.copy(file, to);
                }
            }
        }
        return directory.resolve("copy/clients/python");
    }

    /** Returns whether a file is not the result of an earlier build. */
    private static boolean isSource(Path file) {
        return !file.startsWith(PACKAGE.resolve("build")) && !file.toString().endsWith(".binpb");
    }
}
