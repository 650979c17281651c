// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import dev.flk.bench.LoadClient.Load;
import dev.flk.bench.Program.Costs;
import dev.flk.bench.Results.Figure;
import dev.flk.bench.Results.Figures;
import dev.flk.bench.Results.Sample;
import dev.flk.bench.Workbench.Subject;
import dev.flk.bench.Workbench.Subject.Plan;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.CertificateReader.ParsedCertificate;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.signing.Ed25519Signer;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.SignatureCheck;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** The suites that load a backend over HTTP. */
final class HttpSuites {
    private static final String CERTIFICATES = "certificates";
    private static final int CONNECTIONS = 64;
    /** The number of connections that send batches; batches of 100 then have 1,600 lines in flight. */
    private static final int BATCH_CONNECTIONS = 16;

    private static final int FIRST_SECONDS = 3;
    private static final int MINUTE = 60;
    /** The most certificates that are made at once for a phase: the backend is idle meanwhile. */
    private static final int PHASE_STOCK = 500_000;

    private static final int MOST_PER_SECOND = 50_000;

    private HttpSuites() {}

    static Results singles(Workbench bench) throws IOException, InterruptedException {
        Server bare = bench.keep(Server.bare(bench.directory("bare")));
        Server backend = bench.backend("singles");
        Stock seen = Stock.ofSingles(Workbench.SUBMIT, bench.certificates()).repeating();
        Workbench.load("bare Netty", bare, CONNECTIONS, seen, 100, "200") // compiles the client
                .round()
                .measure(new Plan(1, Duration.ZERO, Duration.ofSeconds(FIRST_SECONDS)));
        System.err.printf(
                "%s, a new backend, %.0f s of load%n",
                bench.suite(), bench.plan().measuredSeconds());
        List<Figures> figures = new ArrayList<>(phases(
                "backend, " + CONNECTIONS,
                backend,
                Stock.ofSingles(Workbench.SUBMIT, bench.certificates()),
                FIRST_SECONDS,
                MINUTE,
                bench.plan().measuredSeconds()));
        List<Subject> subjects = new ArrayList<>();
        subjects.add(bench.plainForces());
        for (int connections : new int[] {1, 16, 64, 256}) {
            subjects.add(Workbench.load("bare Netty, " + connections, bare, connections, seen, 100, "200"));
            subjects.add(bench.singles("backend, " + connections, backend, connections, 1_000.0 * connections));
        }
        Results results = bench.measure(CERTIFICATES, "bare Netty, 64", subjects);
        figures.addAll(0, results.figures());
        return new Results(bench.suite(), CERTIFICATES, results.base(), figures);
    }

    /**
     * Loads a new backend, and returns its rates and costs until it is warm: the JVM compiles most of the hot methods in
     * the first minute. A phase that {@code seconds} do not contain has no figures.
     *
     * @param first the end of the first phase, in seconds under load
     * @param minute the end of the second phase, which contains the first one; the rest of the time is warm
     * @param seconds how long the backend is loaded in all
     */
    static List<Figures> phases(String name, Server backend, Stock stock, double first, double minute, double seconds)
            throws IOException {
        Phase beginning = seconds < first ? Phase.NONE : Phase.of(backend, stock, first);
        Phase rest = seconds < minute ? Phase.NONE : Phase.of(backend, stock, minute - first);
        Phase warm = seconds <= minute ? Phase.NONE : Phase.of(backend, stock, seconds - minute);
        return List.of(
                figures(name + ", first %.0f s".formatted(first), beginning),
                figures(name + ", first minute", rest.isEmpty() ? rest : beginning.and(rest)),
                figures(name + ", warm", warm));
    }

    private static Figures figures(String subject, Phase phase) {
        return new Figures(subject, List.of(phase.sample()));
    }

    /** A period of load on a backend. The time in which requests are made does not count. */
    private record Phase(long items, double seconds, double cpuMicros, double mebibytes) {
        static final Phase NONE = new Phase(0, 0, 0, 0);

        /** @param settled blocks until the backend has done what the load has caused */
        static Phase of(Server backend, Stock stock, int connections, double length, Runnable settled)
                throws IOException {
            Costs costs = backend.program().costs().started();
            long items = 0;
            double seconds = 0;
            while (seconds < length) {
                long certificates = Math.min(PHASE_STOCK, Math.round((length - seconds) * MOST_PER_SECOND));
                stock.fill(certificates / stock.itemsPerRequest() + connections);
                try (LoadClient client = new LoadClient(backend.port(), connections, stock, "200")) {
                    Duration left = Duration.ofNanos(Math.round((length - seconds) * 1e9) + 1);
                    Load load = client.run(Duration.ZERO, left, () -> {});
                    items += load.items();
                    seconds += load.seconds();
                }
            }
            settled.run();
            costs.run();
            Sample sample = costs.sample(items, seconds);
            return new Phase(
                    items, seconds, items * sample.get(Figure.CPU_MICROS), sample.get(Figure.RESIDENT_MEBIBYTES));
        }

        static Phase of(Server backend, Stock stock, double length) throws IOException {
            return of(backend, stock, CONNECTIONS, length, () -> {});
        }

        Phase and(Phase next) {
            return new Phase(items + next.items, seconds + next.seconds, cpuMicros + next.cpuMicros, next.mebibytes);
        }

        boolean isEmpty() {
            return seconds == 0;
        }

        Sample sample() {
            return isEmpty()
                    ? new Sample(Map.of())
                    : Sample.ofRate(items / seconds)
                            .with(Figure.CPU_MICROS, cpuMicros / Math.max(1, items))
                            .with(Figure.RESIDENT_MEBIBYTES, mebibytes);
        }
    }

    static Results batches(Workbench bench) throws IOException, InterruptedException {
        Server backend = bench.backend("batches");
        String singles = "singles, 64 connections";
        return bench.measure(
                CERTIFICATES,
                singles,
                List.of(
                        bench.singles(singles, backend, CONNECTIONS, 30_000),
                        bench.batches("batches of 10", backend, BATCH_CONNECTIONS, 10, 6_000),
                        bench.batches("batches of 100", backend, BATCH_CONNECTIONS, 100, 600),
                        bench.batches("batches of 1000", backend, BATCH_CONNECTIONS / 4, 1_000, 60)));
    }

    static Results signatures(Workbench bench) throws IOException, InterruptedException {
        Ed25519Signer signer = new Ed25519Signer(new byte[Ed25519Signer.SEED_BYTES]);
        Server hmac = bench.backend("hmac");
        // Duplicates and wrong signatures go to a separate backend, because the store of the backend "hmac" is still
        // busy with new certificates.
        Server seen = bench.backend("seen");
        Server ed25519 = bench.backend(
                "ed25519", Map.of("PCS_SIGN_ALG", "ed25519", "PCS_ED25519_PUB_B64", signer.publicKeyBase64()));
        Stock duplicates =
                Stock.ofSingles(Workbench.SUBMIT, bench.certificates()).repeating();
        duplicates.fill(10_000);
        Stock wrong = Stock.ofSingles(Workbench.SUBMIT, bench.certificates(new HmacSigner("wrong")))
                .repeating();
        SignatureCheck check = SignatureCheck.ed25519(List.of(signer.publicKeyBase64()));
        ParsedCertificate signed = parsed(bench.certificates(signer).next());
        String checks = "one thread's Ed25519 checks";
        String batches = "Ed25519, batches of 100";
        return bench.measure(
                CERTIFICATES,
                "HMAC",
                List.of(
                        bench.singles("HMAC", hmac, CONNECTIONS, 30_000),
                        Workbench.load("duplicates", seen, CONNECTIONS, duplicates, 1, "200"),
                        Workbench.load("wrong signatures", seen, CONNECTIONS, wrong, 1_000, "401"),
                        Workbench.timed(checks, true, () -> {
                            if (check.verify(signed.canonicalForm(), signed.sig())
                                    .isEmpty()) {
                                throw new IllegalStateException("a valid signature was rejected");
                            }
                        }),
                        Workbench.load(
                                "Ed25519",
                                ed25519,
                                CONNECTIONS,
                                Stock.ofSingles(Workbench.SUBMIT, bench.certificates(signer)),
                                10_000,
                                "200"),
                        Workbench.load(
                                batches,
                                ed25519,
                                BATCH_CONNECTIONS,
                                Stock.ofBatches(Workbench.BATCH, bench.certificates(signer), 100),
                                100,
                                "200")));
    }

    private static ParsedCertificate parsed(byte[] certificate) {
        try {
            return CertificateReader.parse(certificate);
        } catch (MalformedCertificate e) {
            throw new IllegalStateException("a generated certificate is malformed", e);
        }
    }

    static Results stores(Workbench bench) throws IOException, InterruptedException {
        Server redis = bench.keep(Server.redis(bench.directory("redis-server")));
        Server cluster = bench.keep(Server.redisCluster(bench.directory("redis-cluster-server")));
        Server embedded = bench.backend("embedded");
        Server memory = bench.backend("memory", Map.of("DEDUP_BACKEND", "memory"));
        Server shared = bench.backend(
                "redis", Map.of("DEDUP_BACKEND", "redis", "REDIS_URI", "redis://127.0.0.1:" + redis.port()));
        Server inASlot = bench.backend(
                "redis-cluster",
                Map.of(
                        "DEDUP_BACKEND",
                        "redis",
                        "REDIS_URI",
                        "redis://127.0.0.1:" + cluster.port(),
                        "REDIS_CLUSTER",
                        "on"));
        return bench.measure(
                CERTIFICATES,
                "embedded",
                List.of(
                        bench.singles("embedded", embedded, CONNECTIONS, 30_000),
                        bench.singles("memory", memory, CONNECTIONS, 30_000),
                        bench.singles("redis", shared, CONNECTIONS, 30_000),
                        bench.singles("redis cluster", inASlot, CONNECTIONS, 30_000)));
    }

    /** Measures ten minutes of load on a backend with little memory. Neither memory nor throughput may drift. */
    static Results sustained(Workbench bench) throws IOException, InterruptedException {
        String name = "backend in -Xmx256m, 64";
        Plan plan = new Plan(40, Duration.ZERO, Duration.ofSeconds(15));
        Server backend = bench.backendWith("-Xmx256m", "sustained");
        Results results =
                bench.measure(plan, CERTIFICATES, "", List.of(bench.singles(name, backend, CONNECTIONS, 30_000)));
        List<Sample> samples = results.of(name).samples();
        int quarter = plan.rounds() / 4;
        Figures first = new Figures("first quarter", samples.subList(0, quarter));
        Figures last = new Figures("last quarter", samples.subList(samples.size() - quarter, samples.size()));
        return new Results(bench.suite(), CERTIFICATES, first.subject(), List.of(first, last));
    }

    /**
     * Measures the cost of the record of outcomes. Each round loads an empty backend until it is warm, and measures then;
     * the processor time counts until the record is complete. The disk space is that of ids and rows after the backend
     * has stopped.
     */
    static Results record(Workbench bench) throws IOException, InterruptedException {
        String off = "singles, record off";
        return bench.measure(
                CERTIFICATES,
                off,
                List.of(
                        new Subject(off, plan -> recorded(bench, plan, 1, false)),
                        new Subject("singles, record on", plan -> recorded(bench, plan, 1, true)),
                        new Subject("batches of 100, record off", plan -> recorded(bench, plan, 100, false)),
                        new Subject("batches of 100, record on", plan -> recorded(bench, plan, 100, true))));
    }

    private static Sample recorded(Workbench bench, Plan plan, int lines, boolean isOn)
            throws IOException, InterruptedException {
        Stock stock = lines == 1
                ? Stock.ofSingles(Workbench.SUBMIT, bench.certificates())
                : Stock.ofBatches(Workbench.BATCH, bench.certificates(), lines);
        int connections = lines == 1 ? CONNECTIONS : BATCH_CONNECTIONS;
        Path directory = bench.directory("record");
        try {
            Phase cold;
            Phase warm;
            try (Server backend = bench.start(directory, Map.of("RECORD", isOn ? "on" : "off"))) {
                Runnable settled = isOn ? () -> awaitRecord(backend) : () -> {};
                cold = Phase.of(backend, stock, connections, plan.warmUp().toNanos() / 1e9, settled);
                warm = Phase.of(backend, stock, connections, plan.measuredSeconds(), settled);
            }
            return warm.sample()
                    .with(
                            Figure.DISK_BYTES,
                            (double) bytes(directory.resolve("data/dedup"))
                                    / cold.and(warm).items());
        } finally {
            Workbench.delete(directory);
        }
    }

    private static void awaitRecord(Server backend) {
        try {
            Program.awaitMetric(backend.port(), "flk_record_lag_records", 0);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("the wait for the record was interrupted", e);
        }
    }

    private static long bytes(Path directory) throws IOException {
        try (Stream<Path> files = Files.walk(directory)) {
            return files.mapToLong(file -> file.toFile().length()).sum();
        }
    }
}
