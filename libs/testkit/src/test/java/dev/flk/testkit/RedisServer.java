// SPDX-License-Identifier: Apache-2.0
package dev.flk.testkit;

import dev.flk.testkit.Starts.Started;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import redis.embedded.core.ExecutableProvider;

/**
 * A real redis-server with its own directory, or a Sentinel, which is the same program. The server keeps its data over
 * a restart only with {@code --appendonly yes}, or as of the last command {@code SAVE}. The process does not outlive
 * the JVM.
 */
public final class RedisServer extends ServerProcess {
    private static final String LOADING = "-LOADING";

    private final Path program;
    private final List<String> mode;
    private final List<String> arguments;
    private BooleanSupplier isReady = () -> true;
    private final Thread lastResort = new Thread(this::kill, "redis-server-end");

    /** @param mode the arguments that precede all options */
    private RedisServer(Path directory, List<String> mode, List<String> arguments) throws IOException {
        super(Files.createDirectories(directory));
        this.program = ExecutableProvider.newJarResourceProvider(directory.toFile())
                .get()
                .toPath();
        this.mode = List.copyOf(mode);
        this.arguments = List.copyOf(arguments);
    }

    /**
     * Starts a server and waits until it answers.
     *
     * @param directory a directory for its program, log and data; the caller removes it
     * @param arguments the arguments of redis-server, such as {@code --requirepass}, {@code secret}; a later one takes
     *     precedence over an earlier one
     */
    public static RedisServer start(Path directory, String... arguments) {
        return started(directory, List.of(), List.of(arguments));
    }

    /** Starts a server with the settings that docs/redis.md requires, and waits until it answers. */
    public static RedisServer startDurable(Path directory, String... more) {
        List<String> arguments = new ArrayList<>(
                List.of("--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"));
        Collections.addAll(arguments, more);
        return started(directory, List.of(), arguments);
    }

    /**
     * Starts a Sentinel and waits until it answers.
     *
     * @param directory a directory as for {@link #start}; it also contains the configuration, which the Sentinel
     *     rewrites
     * @param configuration the lines of its configuration, such as {@code sentinel monitor name 127.0.0.1 6379 1}
     */
    public static RedisServer startSentinel(Path directory, String... configuration) {
        try {
            Path file = Files.createDirectories(directory).resolve("sentinel.conf");
            Files.write(file, List.of(configuration));
            return started(directory, List.of(file.toString(), "--sentinel"), List.of());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static RedisServer started(Path directory, List<String> mode, List<String> arguments) {
        try {
            RedisServer server = new RedisServer(directory, mode, arguments);
            Runtime.getRuntime().addShutdownHook(server.lastResort);
            server.restart();
            return server;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Returns the {@code REDIS_URI} of this server, without a password. */
    public String uri() {
        return "redis://127.0.0.1:" + port();
    }

    @Override
    public Map<String, String> configuration() {
        return Map.of("DEDUP_BACKEND", "redis", "REDIS_ADDR", "127.0.0.1:" + port());
    }

    @Override
    public void restart() {
        restartWith();
    }

    /** Restarts the server like {@link #restart}, with additional arguments. */
    public void restartWith(String... moreArguments) {
        begin(moreArguments);
        awaitReady(() -> answer().filter(text -> !isLoading(text)).isPresent() && isReady.getAsBoolean());
    }

    /** Makes the next restarts wait for a further condition. */
    void awaitAlso(BooleanSupplier condition) {
        isReady = condition;
    }

    /** Restarts the server like {@link #restart}, but waits only until the server reports that it is loading. */
    public void restartLoading(String... moreArguments) {
        begin(moreArguments);
        awaitReady(() -> answer().filter(RedisServer::isLoading).isPresent());
    }

    @Override
    public void restartEmpty() {
        DirectoryTree.remove(data());
        restart();
    }

    @Override
    public Runnable copy() {
        Path copy = copyData();
        return () -> {
            replaceData(copy);
            restart();
        };
    }

    /**
     * Sends one command on a new connection.
     *
     * @return the content of a bulk string; any other reply with its type character, such as {@code +OK}; for an array,
     *     these entries of all its elements
     */
    public List<String> send(String... command) {
        try (RespSocket socket = new RespSocket(port(), PATIENCE)) {
            return socket.send(command);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Kills the server if it is still running; its files remain in the directory. Idempotent. */
    @Override
    public void close() {
        kill();
        try {
            Runtime.getRuntime().removeShutdownHook(lastResort);
        } catch (IllegalStateException ending) {
            // the JVM is shutting down, so the hook is already running
        }
    }

    private void begin(String... moreArguments) {
        List<String> command = new ArrayList<>(List.of(program.toString()));
        command.addAll(mode);
        Collections.addAll(command, "--port", Integer.toString(port()), "--bind", "127.0.0.1");
        Collections.addAll(command, "--dir", data().toString(), "--save", "");
        command.addAll(arguments);
        Collections.addAll(command, moreArguments);
        try {
            Files.createDirectories(data());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        launch(Started.REDIS, command);
    }

    private Optional<String> answer() {
        try (RespSocket socket = new RespSocket(port(), PATIENCE)) {
            return Optional.of(socket.send("PING").get(0));
        } catch (IOException notYet) {
            return Optional.empty();
        }
    }

    private static boolean isLoading(String answer) {
        return answer.startsWith(LOADING);
    }
}
