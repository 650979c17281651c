// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.flk.client.StateClient;
import dev.flk.client.Versioned;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The commands and the program for Python of docs/state.md, with Debian's tools. */
@Tag("thorough")
class StatePythonIT {
    private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();
    private static final Pattern PROGRAM = Pattern.compile("```python\n(.*?)```", Pattern.DOTALL);

    @TempDir
    private Path directory;

    @Test
    void generatedClient_writesAndReads() throws Exception {
        assumeTrue(
                Files.exists(Path.of("/usr/bin/grpc_python_plugin")),
                "no grpc_python_plugin: apt install protobuf-compiler protobuf-compiler-grpc python3-grpcio");
        assertThat(run(
                        "protoc",
                        "-I",
                        ROOT.resolve("client/src/main/protobuf").toString(),
                        "--python_out=.",
                        "--grpc_out=.",
                        "--plugin=protoc-gen-grpc=/usr/bin/grpc_python_plugin",
                        "flk/state/v1/state.proto"))
                .isEmpty();
        Matcher program = PROGRAM.matcher(Files.readString(ROOT.resolve("docs/state.md")));
        assertThat(program.find()).isTrue();
        try (BackendProcess backend = BackendProcess.start(directory, Map.of("STATE_PORT", "0"));
                StateClient client = StateIT.connect(backend)) {
            String address = StateIT.url(backend).replace("http://", "");
            Path file = Files.writeString(
                    directory.resolve("example.py"), program.group(1).replace("localhost:50051", address));

            assertThat(run("/usr/bin/python3", file.toString())).isEqualTo("{\"n\":3.50}\n1 WRITE agent-1 memory\n");

            assertThat(client.get("agent-1", "memory").map(Versioned::json)).contains("{\"n\":3.50}");
        }
    }

    private String run(String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command)
                .directory(directory.toFile())
                .redirectErrorStream(true)
                .start();
        try {
            String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
            assertThat(process.exitValue()).as(printed).isZero();
            return printed;
        } finally {
            Process unused = process.destroyForcibly();
        }
    }
}
