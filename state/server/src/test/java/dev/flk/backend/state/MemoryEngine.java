// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import dev.flk.backend.state.schema.JsonSchemas;
import dev.flk.program.metrics.Metrics;
import dev.flk.state.StateEngine;
import dev.flk.state.StateEngine.Settings;
import dev.flk.state.embedded.MemoryStorage;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Random;

/** In-memory engines with default settings, for tests. */
public final class MemoryEngine {
    private MemoryEngine() {}

    /** An engine with a port that accepts every caller. */
    public static final class Served implements AutoCloseable {
        private final StateEngine engine = started();
        private final StatePort port = MemoryEngine.port(engine, 0);

        public Served() throws IOException {}

        public String url() {
            return "http://127.0.0.1:" + port.port();
        }

        @Override
        public void close() {
            port.close();
            engine.close();
        }
    }

    /** Returns a started engine; the caller closes it. */
    public static StateEngine started() {
        return started(Instant::now);
    }

    /** Returns a started engine that uses this clock; the caller closes it. */
    public static StateEngine started(InstantSource clock) {
        return started(clock, clock);
    }

    /** Returns a started engine; the caller closes it. Only commits use {@code clock}. */
    public static StateEngine started(InstantSource clock, InstantSource expiry) {
        StateEngine engine = notStarted(clock, expiry);
        engine.start().toCompletableFuture().join();
        return engine;
    }

    /** Returns an engine that refuses calls until it is started; the caller closes it. */
    public static StateEngine notStarted(InstantSource clock) {
        return notStarted(clock, clock);
    }

    private static StateEngine notStarted(InstantSource clock, InstantSource expiry) {
        return new StateEngine(
                new MemoryStorage(() -> "history", 64 << 20),
                Settings.defaults(),
                clock,
                expiry,
                System::nanoTime,
                new Random(),
                () -> Long.MAX_VALUE,
                JsonSchemas::compile);
    }

    /** Opens a port on loopback that accepts every caller; the number 0 selects a free port. */
    static StatePort port(StateEngine engine, int number) throws IOException {
        return port(engine, number, StatePort.MAX_CONNECTIONS);
    }

    static StatePort port(StateEngine engine, int number, int maxConnections) throws IOException {
        return new StatePort(
                engine,
                "memory",
                new InetSocketAddress(InetAddress.getLoopbackAddress(), number),
                null,
                null,
                maxConnections,
                new StateMetrics(new Metrics("test")));
    }
}
