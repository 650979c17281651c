// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import dev.flk.bench.Program.Costs;
import dev.flk.bench.Results.Sample;
import dev.flk.bench.Workbench.Subject;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * The suite that measures an agent with the packaged options of the JVM. In one subject, clients post certificates to
 * the agent, which confirms them once they are forced to disk. In the other subject, the agent sends a backlog to a
 * backend on the same machine.
 */
final class AgentSuite {
    private static final String APPEND = "append, 16 producers";
    private static final String DRAIN = "drain";
    private static final int BACKLOG = 200_000;
    private static final List<String> JVM = List.of("-Xmx64m", "-Xms8m", "-XX:+UseSerialGC");
    /** An endpoint without a listener, so that certificates stay in the outbox. */
    private static final String NOWHERE = "http://127.0.0.1:9";

    private AgentSuite() {}

    static Results run(Workbench bench) throws IOException, InterruptedException {
        Program accepting = bench.keep(start(bench.directory("append"), NOWHERE));
        Server intake = new Server(accepting, accepting.awaitPort("accepted on loopback port "));
        Stock stock = Stock.ofSingles("/v1/pcs", bench.certificates());
        Server backend = bench.backend("drained-to");
        int[] round = new int[1];
        return bench.measure(
                "certificates",
                "",
                List.of(
                        bench.plainForces(),
                        Workbench.load(APPEND, intake, 16, stock, 10_000, "202"),
                        new Subject(DRAIN, plan -> drain(bench, backend, "drain-" + round[0]++))));
    }

    /**
     * Measures the rate at which the last four fifths of the backlog are sent; during the first fifth, the JVM compiles
     * the agent's code.
     */
    private static Sample drain(Workbench bench, Server backend, String name) throws IOException, InterruptedException {
        Path directory = bench.directory(name);
        Path backlog = directory.resolve("backlog.ndjson");
        write(backlog, bench.certificates());
        try (Program submit =
                Program.jar("agent", directory, environment(NOWHERE), JVM, "submit", backlog.toString())) {
            submit.awaitSuccess();
        }
        try (Program agent = start(directory, "http://127.0.0.1:" + backend.port())) {
            int metricsPort = agent.awaitPort("metrics are on port ");
            long first = awaitPending(metricsPort, BACKLOG * 4 / 5);
            long begun = System.nanoTime();
            Costs costs = agent.costs().started();
            long left = awaitPending(metricsPort, 0);
            double seconds = (System.nanoTime() - begun) / 1e9;
            costs.run();
            return costs.sample(first - left, seconds);
        } finally {
            Workbench.delete(directory);
        }
    }

    private static void write(Path file, Certificates certificates) throws IOException {
        try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file))) {
            for (int i = 0; i < BACKLOG; i++) {
                out.write(certificates.next());
                out.write('\n');
            }
        }
    }

    private static Map<String, String> environment(String endpoint) {
        return Map.of(
                "ENDPOINT", endpoint,
                "PCS_SIGN_ALG", "hmac",
                "PCS_HMAC_KEY", Server.SECRET,
                "OUTBOX_MAX_BYTES", "16GiB",
                "INTAKE_PORT", "0",
                "METRICS_PORT", "0");
    }

    private static Program start(Path directory, String endpoint) throws IOException {
        return Program.jar("agent", directory, environment(endpoint), JVM, "run");
    }

    /** Blocks until at most {@code max} certificates are pending; returns the number of pending certificates. */
    private static long awaitPending(int metricsPort, long max) throws IOException, InterruptedException {
        return Program.awaitMetric(metricsPort, "flk_agent_outbox_pending", max);
    }
}
