// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.suite;

import dev.flk.bench.load.LoadClient;
import dev.flk.bench.load.Stock;
import dev.flk.bench.process.Jars;
import dev.flk.bench.process.Program;
import dev.flk.bench.process.Server;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.HdrHistogram.Histogram;

/** A backend that has much behind it: how soon it is ready, how fast it is then, and how fast its log is decided again. */
final class Restart implements Suite {
    private static final String READY = "start until ready";
    private static final String REPLAY = "wal replay";
    private static final long LARGE = 10_000_000;
    private static final int LINES = 500;
    private static final int CONNECTIONS = 4;

    private final long records;

    /** @param records that the log holds */
    Restart(long records) {
        this.records = records;
    }

    @Override
    public String name() {
        return records >= LARGE ? "restart-10m" : "restart";
    }

    @Override
    public String description() {
        return "start, throughput and wal replay with %,d outcomes in store and log, beside an empty backend"
                .formatted(records);
    }

    @Override
    public Results run(Workshop workshop, Rounds rounds) throws IOException, InterruptedException {
        Path directory = workshop.directory("full");
        try (Server backend = workshop.started(directory, Map.of())) {
            fill(workshop, backend);
            backend.program().terminate();
        }
        Server empty = workshop.backend("empty", Map.of());
        String small = "singles, 64, empty";
        String large = "singles, 64, full";
        List<Subject> subjects = new ArrayList<>();
        subjects.add(new Starts(workshop, directory));
        subjects.add(new Replay(directory));
        Results quiet = rounds.run(name(), "records", "", subjects);
        Server full = workshop.keep(workshop.started(directory, Map.of()));
        Results busy = rounds.run(
                name(),
                "certificates",
                small,
                List.of(
                        new HttpLoad(
                                small,
                                empty,
                                64,
                                Stock.ofSingles(Singles.PATH, workshop.certificates()),
                                30_000,
                                "200"),
                        new HttpLoad(
                                large,
                                full,
                                64,
                                Stock.ofSingles(Singles.PATH, workshop.certificates()),
                                30_000,
                                "200")));
        List<Figures> all = new ArrayList<>(busy.figures());
        all.addAll(quiet.figures());
        return new Results(name(), "certificates", small, all, List.of())
                .with(List.of(
                        Target.atMost("start until ready, s", quiet.of(READY).median(Sample::p50Millis) / 1000, 1.5),
                        Target.atLeast("replay, records a second", quiet.rate(REPLAY), 200_000),
                        Target.atLeast("throughput, of that on empty data", busy.ratio(large, small), 0.8),
                        Target.atMost(
                                "p99, of that on empty data",
                                busy.of(large).median(Sample::p99Millis)
                                        / busy.of(small).median(Sample::p99Millis),
                                1.2)));
    }

    /** Ten million records are to be 10 GB. */
    private int elements() {
        return records >= LARGE ? 50 : 3;
    }

    private void fill(Workshop workshop, Server backend) throws IOException {
        long requestsAtOnce = 100;
        Stock stock = Stock.ofBatches(Batches.PATH, workshop.certificates(elements()), LINES);
        for (long sent = 0; sent < records; sent += requestsAtOnce * LINES) {
            stock.fill(requestsAtOnce);
            try (LoadClient client = new LoadClient(backend.port(), CONNECTIONS, stock, "200")) {
                var unused = client.run(Duration.ZERO, Duration.ofMinutes(10), () -> {});
            }
        }
    }

    /** Starts until submissions are taken. */
    private record Starts(Workshop workshop, Path directory) implements Subject {
        @Override
        public String name() {
            return READY;
        }

        @Override
        public Sample round(Plan plan) throws IOException, InterruptedException {
            long begun = System.nanoTime();
            try (Server backend = workshop.started(directory, Map.of())) {
                Histogram nanos = new Histogram(3);
                nanos.recordValue(System.nanoTime() - begun);
                double resident = backend.program().residentBytes() / 1048576.0;
                backend.program().terminate();
                return Sample.of(Double.NaN, nanos, Double.NaN, resident);
            }
        }
    }

    /** The whole command, from its start to its end. */
    private final class Replay implements Subject {
        private final Path directory;

        Replay(Path directory) {
            this.directory = directory;
        }

        @Override
        public String name() {
            return REPLAY;
        }

        @Override
        public Sample round(Plan plan) throws IOException, InterruptedException {
            long begun = System.nanoTime();
            try (Program replay = Program.java(
                    "replay",
                    directory,
                    new LinkedHashMap<>(),
                    List.of("-jar", Jars.of("backend").toString(), "wal", "replay"))) {
                if (replay.awaitEnd() != 0) {
                    throw new IOException("wal replay failed: " + replay.lines());
                }
                return Sample.ofRate(records / ((System.nanoTime() - begun) / 1e9), Double.NaN, Double.NaN);
            }
        }
    }
}
