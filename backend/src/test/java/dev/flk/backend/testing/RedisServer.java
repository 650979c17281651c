// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.testing;

import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import redis.embedded.core.ExecutableProvider;

/**
 * A real redis-server on a free port of the loopback interface, with a directory of its own, to be killed, paused and put back, or a
 * Sentinel, which is the same program. It keeps its data only with {@code --appendonly yes}. For one thread; every wait is bounded;
 * its process does not outlive the JVM.
 */
public final class RedisServer implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    private final Path directory;
    private final Path program;
    private final int port;
    private final List<String> mode;
    private final List<String> arguments;
    private final Thread lastResort = new Thread(this::end, "redis-server-end");
    private volatile @Nullable Process process;
    private int copies;

    /** @param mode what stands before all options */
    private RedisServer(Path directory, List<String> mode, List<String> arguments) throws IOException {
        this.directory = Files.createDirectories(directory);
        this.program = ExecutableProvider.newJarResourceProvider(directory.toFile())
                .get()
                .toPath();
        this.port = FreePort.choose();
        this.mode = List.copyOf(mode);
        this.arguments = List.copyOf(arguments);
        Runtime.getRuntime().addShutdownHook(lastResort);
    }

    /**
     * Starts a server and waits until it answers.
     *
     * @param directory for its program, log and data; the caller removes it
     * @param arguments of redis-server, as {@code --requirepass}, {@code secret}; a later one wins over an earlier one
     */
    public static RedisServer start(Path directory, String... arguments) {
        try {
            return started(new RedisServer(directory, List.of(), List.of(arguments)));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Starts a Sentinel and waits until it answers.
     *
     * @param directory as for {@link #start}, and for its configuration, which it rewrites
     * @param configuration lines of that, as {@code sentinel monitor name 127.0.0.1 6379 1}
     */
    public static RedisServer startSentinel(Path directory, String... configuration) {
        try {
            Path file = Files.createDirectories(directory).resolve("sentinel.conf");
            Files.write(file, List.of(configuration));
            return started(new RedisServer(directory, List.of(file.toString(), "--sentinel"), List.of()));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static RedisServer started(RedisServer server) {
        server.restart();
        return server;
    }

    /** The port that it listens on, the same after every restart. */
    public int port() {
        return port;
    }

    /** For {@code REDIS_URI}, without a password. */
    public String uri() {
        return "redis://127.0.0.1:" + port;
    }

    /** Starts it on the data that it left, after it ended; waits until it has loaded them. */
    public void restart(String... moreArguments) {
        begin(moreArguments);
        await("redis-server, whose log is " + log()).atMost(PATIENCE).until(() -> {
            if (!running().isAlive()) {
                throw new IllegalStateException("redis-server ended: " + Files.readString(log()));
            }
            return answersTo("PING")
                    .map(answer -> !answer.startsWith("-LOADING"))
                    .orElse(false);
        });
    }

    /** As {@link #restart}, but waits only until it answers that it is loading. */
    public void restartLoading(String... moreArguments) {
        begin(moreArguments);
        await("redis-server, loading")
                .atMost(PATIENCE)
                .until(() -> answersTo("PING")
                        .map(answer -> answer.startsWith("-LOADING"))
                        .orElse(false));
    }

    /** Starts it without data, after it ended. */
    public void restartEmpty() {
        DirectoryTree.remove(data());
        restart();
    }

    /** Starts it, after it ended, on what {@link #copyData} returned. */
    public void restartFrom(Path copy) {
        DirectoryTree.remove(data());
        DirectoryTree.copy(copy, data());
        restart();
    }

    /** Copies its data as they are on the disk now. */
    public Path copyData() {
        Path copy = directory.resolve("copy-" + copies++);
        DirectoryTree.copy(data(), copy);
        return copy;
    }

    /** As a power loss to the process: SIGKILL. Returns when it has ended. */
    public void kill() {
        running().destroyForcibly();
        awaitEnd();
    }

    /** It stops to run, its connections stay: SIGSTOP. */
    public void pause() {
        signal("-STOP");
    }

    /** It runs again: SIGCONT. */
    public void resume() {
        signal("-CONT");
    }

    /**
     * Sends one command on a connection of its own.
     *
     * @return the reply as the server spells it, without line ends; for an array, all its elements in a row
     */
    public List<String> send(String... command) {
        try (RespSocket socket = new RespSocket(port, PATIENCE)) {
            return socket.send(command);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Ends it, if it still runs. What it wrote is left in its directory. Idempotent. */
    @Override
    public void close() {
        end();
        try {
            Runtime.getRuntime().removeShutdownHook(lastResort);
        } catch (IllegalStateException ending) {
            // the hook is running
        }
    }

    private void begin(String... moreArguments) {
        List<String> command = new ArrayList<>(List.of(program.toString()));
        command.addAll(mode);
        Collections.addAll(command, "--port", Integer.toString(port), "--bind", "127.0.0.1");
        Collections.addAll(command, "--dir", data().toString(), "--save", "");
        command.addAll(arguments);
        Collections.addAll(command, moreArguments);
        try {
            Files.createDirectories(data());
            process = new ProcessBuilder(command)
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.appendTo(log().toFile()))
                    .start();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private Optional<String> answersTo(String command) {
        try (RespSocket socket = new RespSocket(port, PATIENCE)) {
            return Optional.of(socket.send(command).get(0));
        } catch (IOException notYet) {
            return Optional.empty();
        }
    }

    private Process running() {
        Process running = process;
        if (running == null) {
            throw new IllegalStateException("redis-server was never started");
        }
        return running;
    }

    private void signal(String signal) {
        try {
            Process kill =
                    new ProcessBuilder("kill", signal, Long.toString(running().pid())).start();
            if (!kill.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS) || kill.exitValue() != 0) {
                throw new IllegalStateException("kill " + signal + " failed");
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    private void end() {
        Process running = process;
        if (running != null) {
            running.destroyForcibly();
            awaitEnd();
        }
    }

    private void awaitEnd() {
        try {
            if (!running().waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)) {
                throw new IllegalStateException("redis-server does not end");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    private Path data() {
        return directory.resolve("data");
    }

    private Path log() {
        return directory.resolve("redis.log");
    }
}
