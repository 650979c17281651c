// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import dev.flk.bench.Results.Figure;
import dev.flk.bench.Results.Figures;
import dev.flk.bench.Results.Sample;
import dev.flk.bench.Workbench.Subject;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * A suite that measures a backend with many outcomes in its store and log: the duration of its start, its throughput,
 * and the rate of {@code wal replay}.
 */
final class Restart {
    private static final long RECORDS = 1_000_000;
    private static final String READY = "start until ready";
    private static final String REPLAY = "wal replay";
    private static final String EMPTY = "singles, 64, empty";
    private static final String FULL = "singles, 64, full";
    private static final int LINES = 500;
    private static final int REQUESTS_AT_ONCE = 100;

    private Restart() {}

    static Results run(Workbench bench) throws IOException, InterruptedException {
        Path directory = bench.directory("full");
        try (Server backend = bench.start(directory, Map.of())) {
            fill(bench, backend);
        }
        Server empty = bench.backend("empty");
        Results quiet = bench.measure(
                "records",
                "",
                List.of(
                        new Subject(READY, plan -> start(bench, directory)),
                        new Subject(REPLAY, plan -> replay(directory))));
        Server full = bench.keep(bench.start(directory, Map.of()));
        Results busy = bench.measure(
                "certificates",
                EMPTY,
                List.of(bench.singles(EMPTY, empty, 64, 30_000), bench.singles(FULL, full, 64, 30_000)));
        List<Figures> all = new ArrayList<>(busy.figures());
        all.addAll(quiet.figures());
        return new Results(bench.suite(), "certificates", EMPTY, all);
    }

    private static void fill(Workbench bench, Server backend) throws IOException {
        Stock stock = Stock.ofBatches(Workbench.BATCH, bench.certificates(), LINES);
        for (long sent = 0; sent < RECORDS; sent += REQUESTS_AT_ONCE * LINES) {
            stock.fill(REQUESTS_AT_ONCE);
            try (LoadClient client = new LoadClient(backend.port(), 4, stock, "200")) {
                client.run(Duration.ZERO, Duration.ofMinutes(10), () -> {});
            }
        }
    }

    private static Sample start(Workbench bench, Path directory) throws IOException, InterruptedException {
        long begun = System.nanoTime();
        try (Server backend = bench.start(directory, Map.of("WARM_UP", "off"))) {
            double millis = (System.nanoTime() - begun) / 1e6;
            return new Sample(Map.of(
                    Figure.P50_MILLIS,
                    millis,
                    Figure.RESIDENT_MEBIBYTES,
                    backend.program().residentMebibytes()));
        }
    }

    /** Measures the complete command, including the start of its JVM. */
    private static Sample replay(Path directory) throws IOException, InterruptedException {
        long begun = System.nanoTime();
        try (Program replay = Program.jar("backend", directory, Map.of(), List.of(), "wal", "replay")) {
            replay.awaitSuccess();
            return Sample.ofRate(RECORDS / ((System.nanoTime() - begun) / 1e9));
        }
    }
}
