// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import dev.flk.bench.Results.Figures;
import dev.flk.bench.Results.Sample;
import dev.flk.bench.Results.Target;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * The suite that measures how fast a backend is after its start. Each round starts two new backends, without and with
 * {@code WARM_UP}, and loads each from the moment at which it is ready. The rate of each second is printed.
 */
final class FirstSeconds {
    private static final int CONNECTIONS = 64;
    private static final int SECONDS = 30;
    private static final String FIRST = ", seconds 1 to 3";
    private static final String NEXT = ", seconds 4 to 10";
    private static final String WARM = ", seconds 21 to 30";
    private static final String COLD = "off";
    /** The most certificates that a backend may answer in a round. */
    private static final int STOCK = 900_000;

    private FirstSeconds() {}

    static Results run(Workbench bench) throws IOException, InterruptedException {
        Map<String, List<Sample>> samples = new LinkedHashMap<>();
        // round 0 compiles the client
        for (int round = 0; round <= bench.plan().rounds(); round++) {
            for (String warmUp : List.of(COLD, "on")) {
                double[] readySeconds = new double[1];
                long[] answered = start(bench, warmUp, readySeconds);
                System.err.printf(
                        "%s, round %d of %d: WARM_UP=%s, ready after %.2f s, then %s%s%n",
                        bench.suite(),
                        round,
                        bench.plan().rounds(),
                        warmUp,
                        readySeconds[0],
                        Arrays.stream(answered).mapToObj(Long::toString).collect(Collectors.joining(" ")),
                        round == 0 ? " (not counted)" : "");
                if (round > 0) {
                    add(samples, warmUp + FIRST, mean(answered, 0, 3));
                    add(samples, warmUp + NEXT, mean(answered, 3, 10));
                    add(samples, warmUp + WARM, mean(answered, 20, SECONDS));
                }
            }
        }
        List<Figures> figures = samples.entrySet().stream()
                .map(entry -> new Figures(entry.getKey(), entry.getValue()))
                .toList();
        Results results = new Results(bench.suite(), "certificates", COLD + WARM, figures, List.of());
        return results.with(Target.atLeast(
                "the first three seconds with WARM_UP, of the warm rate",
                results.ratio("on" + FIRST, "on" + WARM),
                0.45));
    }

    private static long[] start(Workbench bench, String warmUp, double[] readySeconds)
            throws IOException, InterruptedException {
        Stock stock = Stock.ofSingles(Workbench.SUBMIT, bench.certificates());
        stock.fill(STOCK);
        Path directory = bench.directory("first");
        try {
            long begun = System.nanoTime();
            try (Server backend = bench.start(directory, Map.of("WARM_UP", warmUp));
                    LoadClient client = new LoadClient(backend.port(), CONNECTIONS, stock, "200")) {
                readySeconds[0] = (System.nanoTime() - begun) / 1e9;
                return client.perSecond(SECONDS);
            }
        } finally {
            Workbench.delete(directory);
        }
    }

    private static void add(Map<String, List<Sample>> samples, String name, double perSecond) {
        samples.computeIfAbsent(name, each -> new ArrayList<>()).add(Sample.ofRate(perSecond));
    }

    private static double mean(long[] answered, int from, int to) {
        return Arrays.stream(answered, from, to).average().orElseThrow();
    }
}
