// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import dev.flk.bench.LoadClient.Load;
import dev.flk.bench.Program.Costs;
import dev.flk.bench.Results.Figure;
import dev.flk.bench.Results.Sample;
import dev.flk.bench.Workbench.Subject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * The suite that measures the cost of the record of outcomes. Each round sends new certificates to an empty backend.
 * The processor time counts until the record is complete; the disk space is that of ids and rows after the backend has
 * stopped.
 */
final class RecordSuite {
    private static final String OFF = "record off";
    private static final int CERTIFICATES = 150_000;
    private static final int CONNECTIONS = 16;

    private RecordSuite() {}

    static Results run(Workbench bench) throws IOException, InterruptedException {
        return bench.measure(
                "certificates",
                OFF,
                List.of(
                        new Subject(OFF, plan -> submit(bench, false)),
                        new Subject("record on", plan -> submit(bench, true))));
    }

    private static Sample submit(Workbench bench, boolean isOn) throws IOException, InterruptedException {
        Stock stock = Stock.ofSingles(Workbench.SUBMIT, bench.certificates());
        stock.fill(CERTIFICATES);
        Path directory = bench.directory("record");
        try {
            Sample sample;
            try (Server backend = bench.start(directory, Map.of("RECORD", isOn ? "on" : "off"));
                    LoadClient client = new LoadClient(backend.port(), CONNECTIONS, stock, "200")) {
                Costs costs = backend.program().costs().started();
                Load load = client.run(Duration.ZERO, Duration.ofMinutes(10), () -> {});
                if (isOn) {
                    Program.awaitMetric(backend.port(), "flk_record_lag_records", 0);
                }
                costs.run();
                sample = costs.sample(load.items(), load.seconds());
            }
            return sample.with(Figure.DISK_BYTES, (double) bytes(directory.resolve("data/dedup")) / CERTIFICATES);
        } finally {
            Workbench.delete(directory);
        }
    }

    private static long bytes(Path directory) throws IOException {
        try (Stream<Path> files = Files.walk(directory)) {
            return files.mapToLong(file -> file.toFile().length()).sum();
        }
    }
}
