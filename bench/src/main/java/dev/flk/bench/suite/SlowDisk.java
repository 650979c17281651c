// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.suite;

import dev.flk.bench.load.Stock;
import dev.flk.bench.process.Server;
import dev.flk.bench.process.SlowForces;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** A disk whose forces take 5 ms: groups grow with what is under way, and throughput holds if that is enough. */
final class SlowDisk implements Suite {
    private static final Duration FORCE = Duration.ofMillis(5);
    private static final int[] CONNECTIONS = {1, 64, 256, 1_024};
    private static final int MANY = 1_024;

    @Override
    public String name() {
        return "slow-disk";
    }

    @Override
    public String description() {
        return "singles at 1 to 1,024 connections, and batches, where each force takes 5 ms more";
    }

    @Override
    public Results run(Workshop workshop, Rounds rounds) throws IOException, InterruptedException {
        Server fast = workshop.backend("fast", Map.of());
        Server slow = workshop.backend("slow", List.of(SlowForces.jvmOption(FORCE)));
        Stock stock = Stock.ofSingles(Singles.PATH, workshop.certificates());
        List<Subject> subjects = new ArrayList<>();
        for (int connections : CONNECTIONS) {
            subjects.add(new HttpLoad(slow(connections), slow, connections, stock, 100.0 * connections, "200"));
        }
        subjects.add(new HttpLoad(fast(MANY), fast, MANY, stock, 30_000, "200"));
        subjects.add(batches("slow, batches of 100, 16", slow, workshop));
        subjects.add(batches("fast, batches of 100, 16", fast, workshop));
        Results results = rounds.run(name(), "certificates", fast(MANY), subjects);
        return results.with(List.of(
                Target.atLeast("1,024 connections, of a fast disk", results.ratio(slow(MANY), fast(MANY)), 0.8)));
    }

    private static Subject batches(String name, Server backend, Workshop workshop) {
        return new HttpLoad(name, backend, 16, Stock.ofBatches(Batches.PATH, workshop.certificates(), 100), 500, "200");
    }

    private static String slow(int connections) {
        return "slow, " + connections;
    }

    private static String fast(int connections) {
        return "fast, " + connections;
    }
}
