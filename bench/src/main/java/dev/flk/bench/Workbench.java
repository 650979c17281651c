// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import dev.flk.bench.LoadClient.Load;
import dev.flk.bench.Program.Costs;
import dev.flk.bench.Results.Figure;
import dev.flk.bench.Results.Figures;
import dev.flk.bench.Results.Sample;
import dev.flk.bench.Workbench.Subject.Plan;
import dev.flk.bench.Workbench.Subject.Round;
import dev.flk.program.plot.Plot;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.Signer;
import java.io.Closeable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Deque;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.HdrHistogram.Histogram;
import org.jspecify.annotations.Nullable;

/** The servers, directories and rounds of one suite. Closing it stops all servers and deletes all directories. */
final class Workbench implements Closeable {
    static final String SUBMIT = "/v1/pcs/submit";
    static final String BATCH = "/v1/pcs/batch";
    static final String PLAIN_FORCES = "plain disk force";
    /** The number of requests prepared for a round, relative to the number that is expected to be sent. */
    private static final double STOCK_FACTOR = 1.5;

    private static final double STOCK_GROWTH = 4;

    /**
     * The maximum number of connections of a subject. A stock has this many additional requests, because one request
     * per connection may be in flight at the end of a round.
     */
    private static final int MOST_CONNECTIONS = 1_024;

    private static final int WARM_UPS = 6;
    private static final int FORCED_FILE_BYTES = 64 << 20;
    private static final int FORCED_BYTES = 800;

    private final String suite;
    private final Path root;
    private final List<String> backendJvm;
    private final Plan plan;
    private final Deque<Closeable> open = new ArrayDeque<>();
    private final SecureRandom random = new SecureRandom();
    private @Nullable Plot plot;

    /**
     * Creates a workbench with a temporary directory in {@code parent}. The directory {@code parent} must be on the
     * disk that is to be measured.
     */
    Workbench(String suite, Path parent, List<String> backendJvm, Plan plan) throws IOException {
        this.suite = suite;
        this.backendJvm = backendJvm;
        this.plan = plan;
        root = Files.createTempDirectory(parent, "flk-bench-");
    }

    String suite() {
        return suite;
    }

    List<String> backendJvm() {
        return backendJvm;
    }

    Plan plan() {
        return plan;
    }

    /**
     * Warms up subjects whose rates will be compared with a precision of 10 percent. The warm-up is necessary because a
     * backend gets faster over its first 100,000 requests.
     */
    void warmUp(List<Subject> subjects) throws IOException, InterruptedException {
        for (int round = 1; round <= WARM_UPS; round++) {
            System.err.printf("%s, warm-up %d of %d (%d subjects)%n", suite, round, WARM_UPS, subjects.size());
            for (Subject subject : subjects) {
                subject.round().measure(plan);
            }
        }
    }

    Results measure(String unit, String base, List<Subject> subjects) throws IOException, InterruptedException {
        return measure(plan, unit, base, subjects);
    }

    /** Measures all subjects in turn in each round, so that other activity on the machine affects all of them. */
    Results measure(Plan plan, String unit, String base, List<Subject> subjects)
            throws IOException, InterruptedException {
        Map<String, List<Sample>> samples = new LinkedHashMap<>();
        // Round 0 warms up the servers.
        for (int round = 0; round <= plan.rounds(); round++) {
            for (Subject subject : subjects) {
                Sample sample = subject.round().measure(plan);
                System.err.printf(
                        "%s, round %d of %d: %-28s %s%s%n",
                        suite,
                        round,
                        plan.rounds(),
                        subject.name(),
                        sample.summary(unit),
                        round == 0 ? " (not counted)" : "");
                if (round > 0) {
                    samples.computeIfAbsent(subject.name(), name -> new ArrayList<>())
                            .add(sample);
                }
            }
        }
        List<Figures> figures = samples.entrySet().stream()
                .map(entry -> new Figures(entry.getKey(), entry.getValue()))
                .toList();
        return new Results(suite, unit, base, figures);
    }

    /**
     * Returns a subject that sends requests.
     *
     * @param firstGuess the expected requests per second in the first round, from which the stock is sized
     * @param expected the prefix of every status
     */
    static Subject load(String name, Server server, int connections, Stock stock, double firstGuess, String expected) {
        return load(
                name,
                server,
                stock,
                firstGuess,
                filled -> new LoadClient(server.port(), connections, filled, expected));
    }

    /** A function that connects a client to a server. */
    interface Connect {
        LoadClient client(Stock stock) throws IOException;
    }

    /**
     * Returns a subject that sends requests, over connections of any protocol. A round whose stock ran
     * out before its end is repeated with a larger one.
     */
    static Subject load(String name, Server server, Stock stock, double firstGuess, Connect connect) {
        double[] requestsPerSecond = {firstGuess};
        return new Subject(name, plan -> {
            while (true) {
                double seconds = plan.warmUp().plus(plan.measured()).toNanos() / 1e9;
                stock.fill(Math.round(requestsPerSecond[0] * seconds * STOCK_FACTOR) + MOST_CONNECTIONS);
                try (LoadClient client = connect.client(stock)) {
                    Sample sample = sample(client, server, plan);
                    if (!stock.isEmpty()) {
                        requestsPerSecond[0] = sample.get(Figure.PER_SECOND) / stock.itemsPerRequest();
                        return sample;
                    }
                }
                requestsPerSecond[0] *= STOCK_GROWTH;
            }
        });
    }

    /** Returns a subject that sends single, new certificates to a backend in a closed loop. */
    Subject singles(String name, Server backend, int connections, double firstGuess) {
        return load(name, backend, connections, Stock.ofSingles(SUBMIT, certificates()), firstGuess, "200");
    }

    /** Returns a subject that sends batches of new certificates to a backend in a closed loop. */
    Subject batches(String name, Server backend, int connections, int lines, double firstGuess) {
        return load(name, backend, connections, Stock.ofBatches(BATCH, certificates(), lines), firstGuess, "200");
    }

    private static Sample sample(LoadClient client, Server server, Plan plan) throws IOException {
        Costs costs = server.program().costs();
        Load load = client.run(plan.warmUp(), plan.measured(), costs);
        return costs.sample(load.items(), load.seconds()).with(Sample.ofLatencies(load.latencies()));
    }

    /**
     * Returns a subject that alternates a write and an {@code fdatasync}, in a file that was first filled with zeros.
     */
    Subject plainForces() throws IOException {
        FileChannel channel = keep(FileChannel.open(
                directory("force").resolve("file"), StandardOpenOption.CREATE, StandardOpenOption.WRITE));
        ByteBuffer zeros = ByteBuffer.allocateDirect(1 << 20);
        for (long filled = 0; filled < FORCED_FILE_BYTES; filled += zeros.capacity()) {
            channel.write(zeros.clear(), filled);
        }
        channel.force(true);
        byte[] text = new byte[FORCED_BYTES];
        Arrays.fill(text, (byte) 'x');
        ByteBuffer record = ByteBuffer.allocateDirect(FORCED_BYTES).put(text);
        long[] at = new long[1];
        return timed(PLAIN_FORCES, false, () -> {
            channel.write(record.rewind(), at[0]);
            channel.force(false);
            at[0] = (at[0] + FORCED_BYTES) % (FORCED_FILE_BYTES - FORCED_BYTES);
        });
    }

    /** An operation that can fail. */
    interface Step {
        void run() throws IOException;
    }

    /**
     * Returns a subject that repeats a step in this thread.
     *
     * @param isBusy whether the step uses the processor all the time
     */
    static Subject timed(String name, boolean isBusy, Step step) {
        return new Subject(name, plan -> {
            Histogram nanos = new Histogram(3);
            long end = System.nanoTime() + plan.measured().toNanos();
            for (long begun = System.nanoTime(); begun < end; begun = System.nanoTime()) {
                step.run();
                nanos.recordValue(System.nanoTime() - begun);
            }
            Sample sample = Sample.ofRate(nanos.getTotalCount() / plan.measuredSeconds())
                    .with(Sample.ofLatencies(nanos));
            return isBusy ? sample.with(Figure.CPU_MICROS, nanos.getMean() / 1e3) : sample;
        });
    }

    <T extends Closeable> T keep(T part) {
        open.push(part);
        return part;
    }

    /** A function that starts a server, and throws an IOException if the server is not installed. */
    interface Start<T> {
        T server() throws IOException, InterruptedException;
    }

    /** Starts and keeps a server; returns null, after a message, if it can't be started. */
    <T extends Closeable> @Nullable T keepIfInstalled(String name, Start<T> start) throws InterruptedException {
        try {
            return keep(start.server());
        } catch (IOException e) {
            System.err.println(suite + ": " + name + " is left out: " + e.getMessage());
            return null;
        }
    }

    Path directory(String name) throws IOException {
        return Files.createDirectory(root.resolve(name));
    }

    Server backend(String name) throws IOException, InterruptedException {
        return backend(name, Map.of());
    }

    Server backend(String name, Map<String, String> settings) throws IOException, InterruptedException {
        return keep(Server.backend(directory(name), backendJvm, settings));
    }

    /** Starts a backend with one additional option for its JVM. */
    Server backendWith(String jvmOption, String name) throws IOException, InterruptedException {
        List<String> all = new ArrayList<>(backendJvm);
        all.add(jvmOption);
        return keep(Server.backend(directory(name), all, Map.of()));
    }

    /** Starts a backend in a directory that may contain data. The caller closes the returned server. */
    Server start(Path directory, Map<String, String> settings) throws IOException, InterruptedException {
        return start(directory, List.of(), settings);
    }

    /** Starts a backend like {@link #start(Path, Map)}, with additional options for its JVM. */
    Server start(Path directory, List<String> jvmOptions, Map<String, String> settings)
            throws IOException, InterruptedException {
        List<String> all = new ArrayList<>(backendJvm);
        all.addAll(jvmOptions);
        return Server.backend(directory, all, settings);
    }

    /** Sets the plot of this suite. */
    void draw(Plot drawn) {
        plot = drawn;
    }

    /** Returns the plot of this suite; null if it has none. */
    @Nullable
    Plot plot() {
        return plot;
    }

    Certificates certificates() {
        return certificates(new HmacSigner(Server.SECRET));
    }

    Certificates certificates(Signer signer) {
        return new Certificates(signer, freshRoot());
    }

    /** Returns a source of certificates of several shards. */
    Certificates certificates(Certificates.Variety variety) {
        return new Certificates(new HmacSigner(Server.SECRET), freshRoot(), variety);
    }

    /** Returns a random Merkle root. Certificates with this root have new ids. */
    private String freshRoot() {
        byte[] root = new byte[32];
        random.nextBytes(root);
        return HexFormat.of().formatHex(root);
    }

    @Override
    public void close() throws IOException {
        while (!open.isEmpty()) {
            open.pop().close();
        }
        delete(root);
    }

    /** Deletes a directory with all files in it. */
    static void delete(Path directory) throws IOException {
        try (Stream<Path> files = Files.walk(directory)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }

    /** A subject that is measured in rounds. */
    record Subject(String name, Round round) {
        /** A function that measures one round. */
        interface Round {
            Sample measure(Plan plan) throws IOException, InterruptedException;
        }

        /**
         * The number and duration of the rounds.
         *
         * @param rounds the number of rounds that count; the median over these rounds is reported
         * @param warmUp the duration of the warm-up in each round, which is not counted
         * @param measured the duration of each round after its warm-up
         */
        record Plan(int rounds, Duration warmUp, Duration measured) {
            double measuredSeconds() {
                return measured.toNanos() / 1e9;
            }
        }
    }
}
