// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import dev.flk.backend.metrics.Metrics;
import dev.flk.state.MemoryStorage;
import dev.flk.state.StateEngine;
import dev.flk.state.StateEngine.Settings;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Random;

/** Engines of tests: in memory, with the defaults. */
public final class MemoryEngine {
    private MemoryEngine() {}

    /** An engine behind a port for everybody. */
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

    /** One that takes calls; to be closed. */
    public static StateEngine started() {
        return started(Instant::now);
    }

    /** The same on a clock of the test. */
    public static StateEngine started(InstantSource clock) {
        StateEngine engine = notStarted(clock);
        engine.start().toCompletableFuture().join();
        return engine;
    }

    /** One that refuses calls until it is started; to be closed. */
    public static StateEngine notStarted(InstantSource clock) {
        return new StateEngine(
                new MemoryStorage(() -> "history", 64 << 20),
                Settings.defaults(),
                clock,
                clock,
                System::nanoTime,
                new Random(),
                () -> Long.MAX_VALUE,
                JsonSchemas::compile);
    }

    /** A port for it on loopback, for everybody; 0 takes a free one. */
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
