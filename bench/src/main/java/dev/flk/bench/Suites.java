// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** All suites by name. */
final class Suites {
    private static final Views TENTH = new Views(10_000, 100_000, 1_000, 400);
    private static final Views WHOLE = new Views(100_000, 1_000_000, 10_000, 100_000);

    private static final List<Suite> DEFAULT = List.of(
            new Suite(
                    "singles",
                    "one certificate per request at 1, 16, 64 and 256 connections, next to a bare Netty server and"
                            + " the disk; with --seconds above 60 also the rates of a new backend in its first 3"
                            + " seconds, its first minute and after that",
                    HttpSuites::singles),
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
                    "singles over 64 connections with the embedded store, the memory store, Redis and a Redis Cluster",
                    HttpSuites::stores),
            new Suite("views", TENTH.description(), TENTH::run),
            new Suite(
                    "agent",
                    "a packaged agent that accepts from 16 connections, and sends a backlog of 200,000",
                    AgentSuite::run),
            new Suite(
                    "state",
                    "the state of agents: commits, reads and replay, next to a bare gRPC server and etcd",
                    StateSuite::run),
            new Suite(
                    "peers",
                    "singles at 1, 64 and 256 connections, next to Redis, Postgres, etcd and a bare Netty server",
                    Peers::run),
            new Suite(
                    "record",
                    "singles over 64 connections and batches of 100 over 16, with and without the record: --warm-up 60"
                            + " --seconds 60 measures warm backends",
                    HttpSuites::record),
            new Suite(
                    "first-seconds",
                    "singles over 64 connections in each of the first 30 seconds of a backend: without WARM_UP, with"
                            + " it, and also with a class archive",
                    FirstSeconds::run),
            new Suite(
                    "restart",
                    "start, throughput and wal replay with a million outcomes in store and log, next to an empty"
                            + " backend",
                    Restart::run));
    /** The suites that run only if they are named: they take ten minutes or more. */
    private static final List<Suite> LARGE = List.of(
            new Suite(
                    "sustained",
                    "ten minutes of singles over 64 connections to a backend with -Xmx256m",
                    HttpSuites::sustained),
            new Suite("views-1m", WHOLE.description(), WHOLE::run));

    private Suites() {}

    /** A set of subjects that are compared in one run. */
    record Suite(String name, String description, Measurement measurement) {}

    /** A function that measures a suite on a workbench. */
    interface Measurement {
        Results run(Workbench bench) throws IOException, InterruptedException;
    }

    /** Returns all suites by name; the suites that run by default come first. */
    static Map<String, Suite> all() {
        Map<String, Suite> all = new LinkedHashMap<>();
        DEFAULT.forEach(suite -> all.put(suite.name(), suite));
        LARGE.forEach(suite -> all.put(suite.name(), suite));
        return all;
    }

    /** Returns the names of the suites that run by default, in order. */
    static List<String> defaultNames() {
        return DEFAULT.stream().map(Suite::name).toList();
    }
}
