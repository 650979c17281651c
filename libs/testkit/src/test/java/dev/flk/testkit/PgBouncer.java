// SPDX-License-Identifier: Apache-2.0
package dev.flk.testkit;

import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** A PgBouncer on a free loopback port, in front of a {@link PostgresServer}. Any user may log in, as a superuser. */
public final class PgBouncer implements AutoCloseable {
    private static final String PROGRAM = "pgbouncer";

    private final Path directory;
    private final int port = FreePort.choose();
    private final Process process;

    /** @param mode the pool_mode: session or transaction */
    public PgBouncer(PostgresServer server, String mode) throws IOException {
        directory = Files.createTempDirectory("flk-pgbouncer");
        Path configuration = Files.writeString(
                directory.resolve("pgbouncer.ini"), """
                [databases]
                * = host=127.0.0.1 port=%d user=postgres password=%s
                [pgbouncer]
                listen_addr = 127.0.0.1
                listen_port = %d
                unix_socket_dir =
                auth_type = any
                pool_mode = %s
                ignore_startup_parameters = extra_float_digits
                """.formatted(server.port(), PostgresServer.PASSWORD, port, mode));
        List<String> command = new ArrayList<>(List.of(path().orElseThrow().toString(), "--quiet"));
        if ("root".equals(System.getProperty("user.name"))) {
            command.add("--user=nobody");
        }
        command.add(configuration.toString());
        process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(directory.resolve("output").toFile())
                .start();
        await().atMost(PostgresServer.PATIENCE).until(this::accepts);
    }

    private static Optional<Path> path() {
        return Stream.concat(Stream.of(System.getenv("PATH").split(":")), Stream.of("/usr/sbin"))
                .map(directory -> Path.of(directory, PROGRAM))
                .filter(Files::isExecutable)
                .findFirst();
    }

    /** Returns whether PgBouncer is installed. */
    public static boolean isInstalled() {
        return path().isPresent();
    }

    private boolean accepts() throws IOException {
        if (!process.isAlive()) {
            throw new IllegalStateException("PgBouncer ended: " + Files.readString(directory.resolve("output")));
        }
        try (Socket opened = new Socket(InetAddress.getLoopbackAddress(), port)) {
            return opened.isConnected();
        } catch (IOException e) {
            return false;
        }
    }

    public int port() {
        return port;
    }

    @Override
    public void close() {
        process.destroyForcibly();
        ServerProcess.awaitEnd(process.toHandle());
        DirectoryTree.remove(directory);
    }
}
