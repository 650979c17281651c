// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.suite;

import dev.flk.bench.load.Stock;
import dev.flk.bench.process.DiskForce;
import dev.flk.bench.process.Server;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** One certificate a request, over more and more connections, beside a bare Netty server and the disk. */
final class Singles implements Suite {
    static final String PATH = "/v1/pcs/submit";
    private static final int[] CONNECTIONS = {1, 16, 64, 256};
    /** About what a group of one takes in the log. */
    private static final int RECORD_BYTES = 800;

    @Override
    public String name() {
        return Suites.OVER_CONNECTIONS;
    }

    @Override
    public String description() {
        return "one certificate a request at 1, 16, 64 and 256 connections, beside a bare Netty server and the disk";
    }

    @Override
    public Results run(Workshop workshop, Rounds rounds) throws IOException, InterruptedException {
        Server bare = workshop.bare();
        Server backend = workshop.backend("singles", Map.of());
        Stock fresh = Stock.ofSingles(PATH, workshop.certificates());
        Stock seen = Stock.ofSingles(PATH, workshop.certificates()).again();
        List<Subject> subjects = new ArrayList<>();
        subjects.add(new PlainForces(
                workshop.keep(new DiskForce(workshop.directory("force").resolve("file"), RECORD_BYTES))));
        for (int connections : CONNECTIONS) {
            subjects.add(new HttpLoad(bare(connections), bare, connections, seen, 100, "200"));
            subjects.add(new HttpLoad(backend(connections), backend, connections, fresh, 1_000L * connections, "200"));
        }
        Results results = rounds.run(name(), "certificates", bare(64), subjects);
        return results.with(List.of(
                Target.atLeast("64 connections, of a bare Netty server", results.ratio(backend(64), bare(64)), 0.45),
                Target.atMost("64 connections, p99 ms", results.of(backend(64)).median(Sample::p99Millis), 12),
                Target.atLeast("256 connections, of 64", results.ratio(backend(256), backend(64)), 1),
                Target.atMost(
                        "1 connection, p50 in plain forces",
                        results.of(backend(1)).median(Sample::p50Millis)
                                / results.of(PlainForces.NAME).median(Sample::p50Millis),
                        2.5)));
    }

    private static String bare(int connections) {
        return "bare Netty, " + connections;
    }

    private static String backend(int connections) {
        return "backend, " + connections;
    }
}
