// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import dev.flk.backend.metrics.Meters;
import dev.flk.client.StateClient;
import dev.flk.state.StateEngine;
import dev.flk.state.StateException;
import io.grpc.Server;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.inprocess.InProcessServerBuilder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The state of a backend that is stopped, for commands: its engine, and a client of it, in this process and without a port. Whoever can
 * open the storage may do everything that a token may.
 */
public final class StoppedState implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.state");
    private static final long CLOSE_SECONDS = 5;

    private final StateEngine engine;
    private final ExecutorService executor = Executors.newCachedThreadPool(task -> {
        Thread thread = new Thread(task, "state-calls");
        thread.setDaemon(true);
        return thread;
    });
    private final Server server;
    private final StateClient client;

    /**
     * Opens it.
     *
     * @throws IOException if there is none, or it can't be opened, as while a backend uses it: why
     */
    public static StoppedState open(StateConfig config) throws IOException {
        Optional<Path> directory = config.directory();
        if (directory.isEmpty() && config.postgres().isEmpty()) {
            throw new IOException("STATE_ENGINE is memory: a backend that is stopped has no state");
        }
        if (directory.isPresent() && !Files.isDirectory(directory.get())) {
            throw new IOException("STATE_DIR: " + directory.get() + " is not there, or no directory");
        }
        StateEngine engine = new StateEngine(
                ServedState.storage(config),
                config.engine(),
                InstantSource.system(),
                System::nanoTime,
                new SecureRandom(),
                directory
                        .<LongSupplier>map(place -> () -> place.toFile().getUsableSpace())
                        .orElse(() -> Long.MAX_VALUE));
        engine.start().toCompletableFuture().join();
        engine.missing()
                .ifPresent(missing -> LOG.error("answered commits of the state of agents may be missing: {}", missing));
        Optional<StateException> problem = engine.problem();
        if (problem.isPresent()) {
            engine.close();
            throw new IOException(problem.get().getMessage(), problem.get());
        }
        try {
            return new StoppedState(engine, config.engineName());
        } catch (IOException e) {
            engine.close();
            throw e;
        }
    }

    private StoppedState(StateEngine engine, String engineName) throws IOException {
        this.engine = engine;
        String name = InProcessServerBuilder.generateName();
        this.server = InProcessServerBuilder.forName(name)
                .executor(executor)
                .addService(new StateService(engine, engineName, StatePort.FORMAT, executor, new Meters("")))
                .addService(new CareService(engine))
                .build()
                .start();
        this.client = StateClient.over(InProcessChannelBuilder.forName(name).build());
    }

    /** Of this state; closed with it. */
    public StateClient client() {
        return client;
    }

    @Override
    public void close() {
        try {
            client.close();
            boolean unused = server.shutdownNow().awaitTermination(CLOSE_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            executor.shutdown();
            engine.close();
        }
    }
}
