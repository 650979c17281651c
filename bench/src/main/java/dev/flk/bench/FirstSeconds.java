// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import dev.flk.bench.Results.Figures;
import dev.flk.bench.Results.Sample;
import dev.flk.program.plot.Axis;
import dev.flk.program.plot.Plot;
import dev.flk.program.plot.Plot.Point;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * The suite that measures how fast a backend is after its start. Each round starts three new backends: without {@code
 * WARM_UP}, with it, and with it and an archive that {@code deploy/class-archive} wrote. Each is loaded from the moment
 * at which it is ready. The rate of each second is printed, and drawn for {@code --plot}.
 */
final class FirstSeconds {
    private static final int CONNECTIONS = 64;
    private static final int SECONDS = 30;
    static final String FIRST = ", seconds 1 to 3";
    private static final String NEXT = ", seconds 4 to 10";
    static final String WARM = ", seconds 21 to 30";
    /** The most certificates that a backend may answer in a round. */
    private static final int STOCK = 900_000;

    private static final int WIDTH = 760;
    private static final int HEIGHT = 320;
    private static final int RIGHT = 20;

    private FirstSeconds() {}

    /** A way to start a backend. */
    private record Way(Plot.Line line, String name, String warmUp, List<String> jvm) {}

    static Results run(Workbench bench) throws IOException, InterruptedException {
        Way cold = new Way(Plot.Line.FIRST, "WARM_UP=off", "off", List.of());
        Way warmed = new Way(Plot.Line.SECOND, "WARM_UP=on", "on", List.of());
        Way archived = new Way(
                Plot.Line.THIRD,
                "WARM_UP=on, class archive",
                "on",
                Program.classArchive("backend", bench.directory("archive").resolve("backend.jsa")));
        List<Way> ways = List.of(cold, warmed, archived);
        Map<String, List<Sample>> samples = new LinkedHashMap<>();
        Map<Way, double[]> sums = new LinkedHashMap<>();
        // round 0 compiles the client
        for (int round = 0; round <= bench.plan().rounds(); round++) {
            for (Way way : ways) {
                double[] readySeconds = new double[1];
                long[] answered = start(bench, way, readySeconds);
                System.err.printf(
                        "%s, round %d of %d: %s, ready after %.2f s, then %s%s%n",
                        bench.suite(),
                        round,
                        bench.plan().rounds(),
                        way.name(),
                        readySeconds[0],
                        Arrays.stream(answered).mapToObj(Long::toString).collect(Collectors.joining(" ")),
                        round == 0 ? " (not counted)" : "");
                if (round > 0) {
                    add(samples, way.name() + FIRST, mean(answered, 0, 3));
                    add(samples, way.name() + NEXT, mean(answered, 3, 10));
                    add(samples, way.name() + WARM, mean(answered, 20, SECONDS));
                    double[] sum = sums.computeIfAbsent(way, each -> new double[SECONDS]);
                    Arrays.setAll(sum, second -> sum[second] + answered[second]);
                }
            }
        }
        bench.draw(plot(sums, bench.plan().rounds()));
        List<Figures> figures = samples.entrySet().stream()
                .map(entry -> new Figures(entry.getKey(), entry.getValue()))
                .toList();
        return new Results(bench.suite(), "certificates", cold.name() + WARM, figures);
    }

    private static Plot plot(Map<Way, double[]> sums, int rounds) {
        double most =
                sums.values().stream().flatMapToDouble(Arrays::stream).max().orElseThrow() / rounds;
        List<Axis.Tick> ticks = IntStream.rangeClosed(0, SECONDS / 5)
                .mapToObj(five -> new Axis.Tick(5 * five, Integer.toString(5 * five)))
                .toList();
        Plot plot = new Plot(
                        "Certificates a second. Solid: WARM_UP=off; dashed: on; dotted: on, class archive",
                        new Axis("seconds since ready", 0, SECONDS, ticks),
                        Axis.around("", 0, most),
                        WIDTH,
                        HEIGHT,
                        RIGHT)
                .axes();
        for (Map.Entry<Way, double[]> each : sums.entrySet()) {
            List<Point> points = IntStream.range(0, SECONDS)
                    .mapToObj(second -> new Point(second + 0.5, each.getValue()[second] / rounds))
                    .toList();
            plot.line(each.getKey().line(), points);
        }
        return plot;
    }

    private static long[] start(Workbench bench, Way way, double[] readySeconds)
            throws IOException, InterruptedException {
        Stock stock = Stock.ofSingles(Workbench.SUBMIT, bench.certificates());
        stock.fill(STOCK);
        Path directory = bench.directory("first");
        try {
            long begun = System.nanoTime();
            try (Server backend = bench.start(directory, way.jvm(), Map.of("WARM_UP", way.warmUp()));
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
