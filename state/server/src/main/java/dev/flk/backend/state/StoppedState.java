// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import dev.flk.backend.state.schema.JsonSchemas;
import dev.flk.client.StateClient;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.time.DaemonThreads;
import dev.flk.state.StateEngine;
import dev.flk.state.StateException;
import io.grpc.Server;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.inprocess.InProcessServerBuilder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The state of a stopped backend, for commands: its engine and an in-process client without a port. Anyone who can open
 * the storage has all rights.
 */
public final class StoppedState implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.state");
    private static final long CLOSE_SECONDS = 5;

    private final StateEngine engine;
    private final ExecutorService executor = Executors.newCachedThreadPool(DaemonThreads.named("state-calls"));
    private final Server server;
    private final StateClient client;

    /**
     * Opens the state.
     *
     * @throws IOException if there is no state or the state can't be opened, for example while a backend uses it; the
     *     message has the reason
     */
    public static StoppedState open(StateConfig config) throws IOException {
        Optional<Path> directory = config.directory();
        if (directory.isEmpty() && config.postgres().isEmpty()) {
            throw new IOException("STATE_ENGINE is memory: a stopped backend has no state");
        }
        if (directory.isPresent() && !Files.isDirectory(directory.get())) {
            throw new IOException("STATE_DIR: " + directory.get() + " does not exist or is not a directory");
        }
        StateEngine engine = new StateEngine(
                ServedState.storage(config),
                config.engine(),
                InstantSource.system(),
                () -> Instant.EPOCH, // the year 1970, so that a command deletes no key whose lifetime is over
                System::nanoTime,
                new SecureRandom(),
                directory
                        .<LongSupplier>map(place -> () -> place.toFile().getUsableSpace())
                        .orElse(() -> Long.MAX_VALUE),
                JsonSchemas::compile);
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
                .addService(new StateService(
                        engine, engineName, StatePort.FORMAT, caller -> executor, new StateMetrics(new Metrics(""))))
                .addService(new CareService(engine))
                .build()
                .start();
        this.client = StateClient.over(InProcessChannelBuilder.forName(name).build());
    }

    /** Returns a client of this state. {@link #close} closes this client, too. */
    public StateClient client() {
        return client;
    }

    @Override
    public void close() {
        try {
            client.close();
            server.shutdownNow().awaitTermination(CLOSE_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            executor.shutdown();
            engine.close();
        }
    }
}
