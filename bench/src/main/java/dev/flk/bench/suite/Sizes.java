// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.suite;

import dev.flk.bench.load.Stock;
import dev.flk.bench.process.Server;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Larger certificates. */
final class Sizes implements Suite {
    private static final String SMALL = "0.5 KiB";
    private static final int CONNECTIONS = 64;

    @Override
    public String name() {
        return "sizes";
    }

    @Override
    public String description() {
        return "singles of 0.5, 4, 16 and 64 KiB over 64 connections";
    }

    @Override
    public Results run(Workshop workshop, Rounds rounds) throws IOException, InterruptedException {
        Server backend = workshop.backend("sizes", Map.of());
        List<Subject> subjects = new ArrayList<>();
        subjects.add(load(SMALL, backend, workshop, 3, 30_000));
        subjects.add(load("4 KiB", backend, workshop, 400, 6_000));
        subjects.add(load("16 KiB", backend, workshop, 1_760, 2_000));
        subjects.add(load("64 KiB", backend, workshop, 7_200, 500));
        return rounds.run(name(), "certificates", SMALL, subjects);
    }

    private static Subject load(String size, Server backend, Workshop workshop, int elements, double firstGuess) {
        Stock stock = Stock.ofSingles(Singles.PATH, workshop.certificates(elements));
        return new HttpLoad(size, backend, CONNECTIONS, stock, firstGuess, "200");
    }
}
