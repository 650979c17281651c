// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.process;

import java.io.Closeable;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import redis.embedded.core.ExecutableProvider;

/** A redis-server beside the backend, which forces its file every second, as docs/redis.md has it. */
public record Redis(Program program, int port) implements Closeable {

    /** Starts one on a free port. */
    public static Redis start(Path directory) throws IOException, InterruptedException {
        Path server = ExecutableProvider.newJarResourceProvider(directory.toFile())
                .get()
                .toPath();
        int port = freePort();
        Program program = Program.start(
                "redis",
                directory,
                Map.of(),
                List.of(
                        server.toString(),
                        "--port",
                        Integer.toString(port),
                        "--bind",
                        "127.0.0.1",
                        "--appendonly",
                        "yes",
                        "--appendfsync",
                        "everysec"));
        var unused = program.awaitLine(line -> line.contains("Ready to accept connections"));
        return new Redis(program, port);
    }

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }

    /** For {@code REDIS_URI}. */
    public String uri() {
        return "redis://127.0.0.1:" + port;
    }

    @Override
    public void close() {
        program.close();
    }
}
