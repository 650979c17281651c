// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.suite;

import dev.flk.bench.load.Stock;
import dev.flk.bench.process.Server;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** What clients wait for that send at a steady rate, as agents in the field do, instead of as fast as they are answered. */
final class Rates implements Suite {
    private static final int[] PER_SECOND = {1_000, 5_000, 10_000, 20_000};
    private static final int CONNECTIONS = 64;

    @Override
    public String name() {
        return "rates";
    }

    @Override
    public String description() {
        return "singles at 1,000 to 20,000 a second over 64 connections, open loop";
    }

    @Override
    public Results run(Workshop workshop, Rounds rounds) throws IOException, InterruptedException {
        Server backend = workshop.backend("rates", Map.of());
        Stock stock = Stock.ofSingles(Singles.PATH, workshop.certificates());
        List<Subject> subjects = new ArrayList<>();
        for (int rate : PER_SECOND) {
            subjects.add(new HttpLoad(name(rate), backend, CONNECTIONS, stock, rate, "200").steady(rate));
        }
        return rounds.run(name(), "certificates", name(PER_SECOND[0]), subjects);
    }

    private static String name(int rate) {
        return String.format(Locale.ROOT, "%,d a second", rate);
    }
}
