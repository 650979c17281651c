// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.suite;

import dev.flk.bench.suite.Workbench.Subject.Plan;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** All suites by name. */
public final class Suites {
    /** The suite whose subjects are named {@code what, connections}. */
    public static final String OVER_CONNECTIONS = "singles";

    private static final Restart MILLION = new Restart(1_000_000, 3);
    /** 10 GB of log. */
    private static final Restart TEN_MILLION = new Restart(10_000_000, 50);

    private static final List<Suite> USUAL = List.of(
            new Suite(
                    OVER_CONNECTIONS,
                    "one certificate a request at 1, 16, 64 and 256 connections, beside a bare Netty server and the disk",
                    HttpSuites::singles),
            new Suite("rates", "singles at 1,000 to 20,000 a second over 64 connections, open loop", HttpSuites::rates),
            new Suite("sizes", "singles of 0.5, 4, 16 and 64 KiB over 64 connections", HttpSuites::sizes),
            new Suite(
                    "batches",
                    "batches of 10, 100 and 1,000 over 16 connections, beside singles over 64",
                    HttpSuites::batches),
            new Suite(
                    "signatures",
                    "Ed25519 (also in batches), duplicates and wrong signatures, beside HMAC",
                    HttpSuites::signatures),
            new Suite(
                    "stores",
                    "singles over 64 connections with the embedded store, in memory, and Redis beside it",
                    HttpSuites::stores),
            new Suite(
                    "agent",
                    "an agent with -Xmx64m takes in from 16 connections, and ships a backlog of 200,000",
                    AgentSuite::run),
            new Suite(
                    "state",
                    "the state of agents: commits, reads and replay, beside a bare gRPC server and etcd",
                    StateSuite::run),
            new Suite("restart", MILLION.description(), MILLION::run),
            new Suite(
                    "slow-disk",
                    "singles at 1 to 1,024 connections, and batches, where each force takes 5 ms more",
                    HttpSuites::slowDisk),
            new Suite("steps", "each step of a certificate's way by itself, in one thread, by JMH", Steps::run));
    /** These run only when named: they take ten minutes and more, or 10 GB of disk. */
    private static final List<Suite> LARGE = List.of(
            new Suite(
                    "sustained",
                    "ten minutes of singles over 64 connections to a backend in -Xmx256m",
                    HttpSuites::sustained),
            new Suite("restart-10m", TEN_MILLION.description(), TEN_MILLION::run));

    private Suites() {}

    /** Subjects that are compared in one run. */
    private record Suite(String name, String description, Measurement measurement) {}

    private interface Measurement {
        Results run(Workbench bench) throws IOException, InterruptedException;
    }

    /** Names and descriptions of all suites. */
    public static Map<String, String> names() {
        Map<String, String> names = new LinkedHashMap<>();
        all().forEach(suite -> names.put(suite.name(), suite.description()));
        return names;
    }

    /** The suites that run by default, in order. */
    public static List<String> usual() {
        return USUAL.stream().map(Suite::name).toList();
    }

    private static Stream<Suite> all() {
        return Stream.concat(USUAL.stream(), LARGE.stream());
    }

    /**
     * Runs one suite.
     *
     * @param data a directory on the disk to be measured
     * @param backendJvm options for the JVM of each backend
     * @param rounds whose median is reported
     * @param warmUp before each round, not counted
     * @param measured time of each round
     * @param progress gets a line for each round
     */
    public static Results run(
            String name,
            Path data,
            List<String> backendJvm,
            int rounds,
            Duration warmUp,
            Duration measured,
            PrintStream progress)
            throws IOException, InterruptedException {
        Suite suite = all().filter(one -> one.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("there is no suite " + name));
        try (Workbench bench = new Workbench(name, data, backendJvm, new Plan(rounds, warmUp, measured), progress)) {
            return suite.measurement().run(bench);
        }
    }
}
