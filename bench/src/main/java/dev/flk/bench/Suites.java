// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import dev.flk.bench.Workbench.Subject.Plan;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** All suites by name. */
final class Suites {
    /** The suite whose subjects are named {@code what, connections}. */
    public static final String OVER_CONNECTIONS = "singles";

    private static final Restart MILLION = new Restart(1_000_000, 3);
    /** A restart with 10 GB of log. */
    private static final Restart TEN_MILLION = new Restart(10_000_000, 50);

    private static final List<Suite> DEFAULT = List.of(
            new Suite(
                    OVER_CONNECTIONS,
                    "one certificate per request at 1, 16, 64 and 256 connections, next to a bare Netty server and the disk",
                    HttpSuites::singles),
            new Suite(
                    "rates", "singles at 1,000 to 20,000 per second over 64 connections, open loop", HttpSuites::rates),
            new Suite("sizes", "singles of 0.5, 4, 16 and 64 KiB over 64 connections", HttpSuites::sizes),
            new Suite(
                    "batches",
                    "batches of 10, 100 and 1,000 over 16 connections, next to singles over 64",
                    HttpSuites::batches),
            new Suite(
                    "signatures",
                    "Ed25519 (also in batches), duplicates and wrong signatures, next to HMAC",
                    HttpSuites::signatures),
            new Suite(
                    "stores",
                    "singles over 64 connections with the embedded, the memory and the Redis store",
                    HttpSuites::stores),
            new Suite(
                    "agent",
                    "an agent with -Xmx64m that accepts from 16 connections, and sends a backlog of 200,000",
                    AgentSuite::run),
            new Suite(
                    "state",
                    "the state of agents: commits, reads and replay, next to a bare gRPC server and etcd",
                    StateSuite::run),
            new Suite("restart", MILLION.description(), MILLION::run),
            new Suite(
                    "slow-disk",
                    "singles at 1 to 1,024 connections, and batches, on a disk whose forces take 5 ms longer",
                    HttpSuites::slowDisk),
            new Suite("steps", "each step of processing a certificate by itself, in one thread, by JMH", Steps::run));
    /** The suites that run only if they are named: they take ten minutes or more, or 10 GB of disk. */
    private static final List<Suite> LARGE = List.of(
            new Suite(
                    "sustained",
                    "ten minutes of singles over 64 connections to a backend with -Xmx256m",
                    HttpSuites::sustained),
            new Suite("restart-10m", TEN_MILLION.description(), TEN_MILLION::run));

    private Suites() {}

    /** A set of subjects that are compared in one run. */
    private record Suite(String name, String description, Measurement measurement) {}

    private interface Measurement {
        Results run(Workbench bench) throws IOException, InterruptedException;
    }

    /** Returns the names and descriptions of all suites. */
    public static Map<String, String> names() {
        Map<String, String> names = new LinkedHashMap<>();
        all().forEach(suite -> names.put(suite.name(), suite.description()));
        return names;
    }

    /** Returns the names of the suites that run by default, in order. */
    public static List<String> defaultNames() {
        return DEFAULT.stream().map(Suite::name).toList();
    }

    private static Stream<Suite> all() {
        return Stream.concat(DEFAULT.stream(), LARGE.stream());
    }

    /**
     * Runs one suite.
     *
     * @param data a directory on the disk to measure
     * @param backendJvm options for the JVM of each backend
     * @param rounds the number of rounds, whose median is reported
     * @param warmUp the time before each round that is not counted
     * @param measured the duration of each round
     * @param progress the stream to which a line is printed for each round
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
