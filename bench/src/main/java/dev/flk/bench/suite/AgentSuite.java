// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.suite;

import dev.flk.bench.load.Certificates;
import dev.flk.bench.load.Stock;
import dev.flk.bench.process.AgentProcess;
import dev.flk.bench.process.DiskForce;
import dev.flk.bench.process.Server;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** The agent: certificates taken in, each answered once it is on disk, and a backlog shipped to a backend of the same machine. */
final class AgentSuite implements Suite {
    private static final String APPEND = "append, 16 producers";
    private static final String DRAIN = "drain";
    private static final int PRODUCERS = 16;
    private static final int BACKLOG = 200_000;
    /** Nobody listens there: what is taken in stays. */
    private static final String NOBODY = "http://127.0.0.1:9";

    @Override
    public String name() {
        return "agent";
    }

    @Override
    public String description() {
        return "an agent with -Xmx64m takes in from 16 connections, and ships a backlog of 200,000";
    }

    @Override
    public Results run(Workshop workshop, Rounds rounds) throws IOException, InterruptedException {
        AgentProcess taking = workshop.keep(AgentProcess.start(workshop.directory("append"), NOBODY));
        Server intake = new Server(taking.program(), taking.intakePort());
        Stock stock = Stock.ofSingles("/v1/pcs", workshop.certificates());
        Server backend = workshop.backend("drained-to", Map.of());
        Results results = rounds.run(
                name(),
                "certificates",
                "",
                List.of(
                        new PlainForces(workshop.keep(
                                new DiskForce(workshop.directory("force").resolve("file"), 800))),
                        new HttpLoad(APPEND, intake, PRODUCERS, stock, 10_000, "202"),
                        new Drain(workshop, backend)));
        return results.with(List.of(
                Target.atLeast("append with a force, a second", results.rate(APPEND), 20_000),
                Target.atLeast("drain, a second", results.rate(DRAIN), 10_000)));
    }

    /** The rate between the first fifth, in which the agent's code is compiled, and the last certificate. */
    private static final class Drain implements Subject {
        private final Workshop workshop;
        private final Server backend;
        private int round;

        Drain(Workshop workshop, Server backend) {
            this.workshop = workshop;
            this.backend = backend;
        }

        @Override
        public String name() {
            return DRAIN;
        }

        @Override
        public Sample round(Plan plan) throws IOException, InterruptedException {
            Path directory = workshop.directory("drain-" + round++);
            Path backlog = directory.resolve("backlog.ndjson");
            write(backlog, workshop.certificates());
            AgentProcess.submit(directory, backlog);
            try (AgentProcess agent = AgentProcess.start(directory, "http://127.0.0.1:" + backend.port())) {
                long first = awaitPending(agent, BACKLOG * 4 / 5);
                long begun = System.nanoTime();
                long cpuNanos = agent.program().cpuNanos();
                long left = awaitPending(agent, 0);
                double seconds = (System.nanoTime() - begun) / 1e9;
                return Sample.ofRate(
                        (first - left) / seconds,
                        (agent.program().cpuNanos() - cpuNanos) / 1e3 / (first - left),
                        agent.program().residentBytes() / 1048576.0);
            } finally {
                Trees.delete(directory);
            }
        }

        private static long awaitPending(AgentProcess agent, long most) throws IOException, InterruptedException {
            long pending = agent.pending();
            while (pending > most) {
                pending = agent.pending();
            }
            return pending;
        }

        private static void write(Path file, Certificates certificates) throws IOException {
            try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file))) {
                for (int i = 0; i < BACKLOG; i++) {
                    out.write(certificates.next());
                    out.write('\n');
                }
            }
        }
    }
}
