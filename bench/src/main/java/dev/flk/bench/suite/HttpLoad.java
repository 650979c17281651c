// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.suite;

import dev.flk.bench.load.LoadClient;
import dev.flk.bench.load.LoadClient.Load;
import dev.flk.bench.load.Stock;
import dev.flk.bench.process.Server;
import java.io.IOException;

/** Requests over some connections to a server, in a closed loop or at a steady rate. */
final class HttpLoad implements Subject {
    /** More than a server of this machine answers in a round that is a little slower than the one before. */
    private static final double SPARE = 1.5;

    private final String name;
    private final Server server;
    private final int connections;
    private final Stock stock;
    private final String expected;
    private double steadyPerSecond;
    private double requestsPerSecond;

    /**
     * In a closed loop.
     *
     * @param firstGuess how many requests a second will be answered in the first round, so that the stock suffices
     * @param expected what every status begins with
     */
    HttpLoad(String name, Server server, int connections, Stock stock, double firstGuess, String expected) {
        this.name = name;
        this.server = server;
        this.connections = connections;
        this.stock = stock;
        this.requestsPerSecond = firstGuess;
        this.expected = expected;
    }

    /** At a steady rate of requests instead, whatever the server does; latencies count from the time at which a request was due. */
    HttpLoad steady(double perSecond) {
        steadyPerSecond = perSecond;
        requestsPerSecond = perSecond;
        return this;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public Sample round(Plan plan) throws IOException {
        double seconds = plan.warmUp().plus(plan.measured()).toNanos() / 1e9;
        stock.fill(Math.round(requestsPerSecond * seconds * SPARE) + connections);
        try (LoadClient client = new LoadClient(server.port(), connections, stock, expected)) {
            if (steadyPerSecond > 0) {
                var unused = client.open(steadyPerSecond);
            }
            long[] cpu = new long[2];
            int[] calls = new int[1];
            Load load = client.run(
                    plan.warmUp(),
                    plan.measured(),
                    () -> cpu[calls[0]++] = server.program().cpuNanos());
            requestsPerSecond = load.itemsPerSecond() / stock.itemsPerRequest();
            return Sample.of(
                    load.itemsPerSecond(),
                    load.latencies(),
                    (cpu[1] - cpu[0]) / 1e3 / Math.max(1, load.items()),
                    server.program().residentBytes() / 1048576.0);
        }
    }
}
