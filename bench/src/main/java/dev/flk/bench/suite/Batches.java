// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.suite;

import dev.flk.bench.load.Stock;
import dev.flk.bench.process.Server;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Several certificates a request. */
final class Batches implements Suite {
    static final String PATH = "/v1/pcs/batch";
    private static final String SINGLES = "singles, 64 connections";
    /** So many lines are under way, at the most, as an agent by default has. */
    private static final int CONNECTIONS = 16;

    @Override
    public String name() {
        return "batches";
    }

    @Override
    public String description() {
        return "batches of 10, 100 and 1,000 over 16 connections, beside singles over 64";
    }

    @Override
    public Results run(Workshop workshop, Rounds rounds) throws IOException, InterruptedException {
        Server backend = workshop.backend("batches", Map.of());
        List<Subject> subjects = new ArrayList<>();
        subjects.add(new HttpLoad(
                SINGLES, backend, 64, Stock.ofSingles(Singles.PATH, workshop.certificates()), 30_000, "200"));
        for (int lines : new int[] {10, 100, 1_000}) {
            Stock stock = Stock.ofBatches(PATH, workshop.certificates(), lines);
            int connections = lines == 1_000 ? CONNECTIONS / 4 : CONNECTIONS;
            subjects.add(new HttpLoad(batches(lines), backend, connections, stock, 60_000.0 / lines, "200"));
        }
        Results results = rounds.run(name(), "certificates", SINGLES, subjects);
        return results.with(
                List.of(Target.atLeast("batches of 100, of singles", results.ratio(batches(100), SINGLES), 2.5)));
    }

    private static String batches(int lines) {
        return "batches of " + lines;
    }
}
