// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.suite;

import dev.flk.bench.load.Stock;
import dev.flk.bench.process.Redis;
import dev.flk.bench.process.Server;
import dev.flk.bench.process.SlowForces;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;

/** All of them, by name. */
public final class Suites {
    /** The suite whose subjects are named by what they are and by how many connections they have. */
    public static final String OVER_CONNECTIONS = "singles";

    private static final List<Suite> ALL = List.of(
            new Singles(),
            new Rates(),
            new Sizes(),
            new Batches(),
            new Signatures(),
            new Stores(),
            new AgentSuite(),
            new Restart(1_000_000),
            new SlowDisk(),
            new Steps());
    /** Not part of everything: they take ten minutes and more, or 10 GB of disk. */
    private static final List<Suite> LARGE = List.of(new Sustained(), new Restart(10_000_000));

    private Suites() {}

    /** Names and descriptions of all suites. */
    public static Map<String, String> names() {
        Map<String, String> names = new LinkedHashMap<>();
        all().forEach(suite -> names.put(suite.name(), suite.description()));
        return names;
    }

    /** Those that run where none was asked for, in their order. */
    public static List<String> usual() {
        return ALL.stream().map(Suite::name).toList();
    }

    private static Stream<Suite> all() {
        return Stream.concat(ALL.stream(), LARGE.stream());
    }

    /**
     * Runs one.
     *
     * @param data the directory on whose disk is measured
     * @param backendJvm options for the JVM of each backend
     * @param progress a line for each round
     */
    public static Results run(String name, Path data, List<String> backendJvm, Plan plan, PrintStream progress)
            throws IOException, InterruptedException {
        Suite suite = all().filter(one -> one.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("there is no suite " + name));
        try (Workshop workshop = new Workshop(data, backendJvm)) {
            return suite.run(workshop, new Rounds(plan, progress));
        }
    }

    /** What clients wait for that send at a steady rate, as agents in the field do, instead of as fast as they are answered. */
    private static final class Rates implements Suite {
        private static final int[] PER_SECOND = {1_000, 5_000, 10_000, 20_000};
        private static final int CONNECTIONS = 64;

        @Override
        public String name() {
            return "rates";
        }

        @Override
        public String description() {
            return "singles at 1,000 to 20,000 a second over 64 connections, open loop";
        }

        @Override
        public Results run(Workshop workshop, Rounds rounds) throws IOException, InterruptedException {
            Server backend = workshop.backend("rates", Map.of());
            Stock stock = Stock.ofSingles(Singles.PATH, workshop.certificates());
            List<Subject> subjects = new ArrayList<>();
            for (int rate : PER_SECOND) {
                subjects.add(new HttpLoad(name(rate), backend, CONNECTIONS, stock, rate, "200").steady(rate));
            }
            return rounds.run(name(), "certificates", name(PER_SECOND[0]), subjects);
        }

        private static String name(int rate) {
            return String.format(Locale.ROOT, "%,d a second", rate);
        }
    }

    /** Larger certificates. */
    private static final class Sizes implements Suite {
        private static final String SMALL = "0.5 KiB";
        private static final int CONNECTIONS = 64;

        @Override
        public String name() {
            return "sizes";
        }

        @Override
        public String description() {
            return "singles of 0.5, 4, 16 and 64 KiB over 64 connections";
        }

        @Override
        public Results run(Workshop workshop, Rounds rounds) throws IOException, InterruptedException {
            Server backend = workshop.backend("sizes", Map.of());
            List<Subject> subjects = new ArrayList<>();
            subjects.add(load(SMALL, backend, workshop, 3, 30_000));
            subjects.add(load("4 KiB", backend, workshop, 400, 6_000));
            subjects.add(load("16 KiB", backend, workshop, 1_760, 2_000));
            subjects.add(load("64 KiB", backend, workshop, 7_200, 500));
            return rounds.run(name(), "certificates", SMALL, subjects);
        }

        private static Subject load(String size, Server backend, Workshop workshop, int elements, double firstGuess) {
            Stock stock = Stock.ofSingles(Singles.PATH, workshop.certificates(elements));
            return new HttpLoad(size, backend, CONNECTIONS, stock, firstGuess, "200");
        }
    }

    /** The same load with each store that this machine can run. */
    private static final class Stores implements Suite {
        private static final String EMBEDDED = "embedded";
        private static final String REDIS = "redis";

        @Override
        public String name() {
            return "stores";
        }

        @Override
        public String description() {
            return "singles over 64 connections with the embedded store, in memory, and Redis beside it";
        }

        @Override
        public Results run(Workshop workshop, Rounds rounds) throws IOException, InterruptedException {
            Redis redis = workshop.keep(Redis.start(workshop.directory("redis-server")));
            Map<String, Map<String, String>> stores = new LinkedHashMap<>();
            stores.put(EMBEDDED, Map.of());
            stores.put("memory", Map.of("DEDUP_BACKEND", "memory"));
            stores.put(REDIS, Map.of("DEDUP_BACKEND", "redis", "REDIS_URI", redis.uri()));
            List<Subject> subjects = new ArrayList<>();
            for (Map.Entry<String, Map<String, String>> store : stores.entrySet()) {
                Server backend = workshop.backend(store.getKey(), store.getValue());
                Stock stock = Stock.ofSingles(Singles.PATH, workshop.certificates());
                subjects.add(new HttpLoad(store.getKey(), backend, 64, stock, 30_000, "200"));
            }
            Results results = rounds.run(name(), "certificates", EMBEDDED, subjects);
            return results.with(
                    List.of(Target.atLeast("redis, of the embedded store", results.ratio(REDIS, EMBEDDED), 0.6)));
        }
    }

    /** Ten minutes of load on a backend in little memory: neither memory nor throughput may drift. */
    private static final class Sustained implements Suite {
        private static final String SUBJECT = "backend in -Xmx256m, 64";
        private static final int ROUNDS = 40;
        private static final Duration ROUND = Duration.ofSeconds(15);
        private static final int COMPARED = ROUNDS / 4;

        @Override
        public String name() {
            return "sustained";
        }

        @Override
        public String description() {
            return "ten minutes of singles over 64 connections to a backend in -Xmx256m";
        }

        @Override
        public Results run(Workshop workshop, Rounds rounds) throws IOException, InterruptedException {
            Server backend = workshop.backend("sustained", List.of("-Xmx256m"));
            Stock stock = Stock.ofSingles(Singles.PATH, workshop.certificates());
            Rounds long40 = rounds.with(new Plan(ROUNDS, Duration.ZERO, ROUND));
            Results results = long40.run(
                    name(), "certificates", "", List.of(new HttpLoad(SUBJECT, backend, 64, stock, 30_000, "200")));
            List<Sample> samples = results.of(SUBJECT).samples();
            Figures first = new Figures("first quarter", samples.subList(0, COMPARED));
            Figures last = new Figures("last quarter", samples.subList(ROUNDS - COMPARED, ROUNDS));
            return new Results(
                    name(),
                    "certificates",
                    first.subject(),
                    List.of(first, last),
                    List.of(
                            Target.atMost(
                                    "memory held at the end, of that at the beginning",
                                    last.median(Sample::residentMebibytes) / first.median(Sample::residentMebibytes),
                                    1.1),
                            Target.atLeast(
                                    "throughput at the end, of that at the beginning",
                                    last.median(Sample::perSecond) / first.median(Sample::perSecond),
                                    0.8)));
        }
    }

    /** A disk whose forces take 5 ms: groups grow with what is under way, and throughput holds if that is enough. */
    private static final class SlowDisk implements Suite {
        private static final Duration FORCE = Duration.ofMillis(5);
        private static final int[] CONNECTIONS = {1, 64, 256, 1_024};
        private static final int MANY = 1_024;

        @Override
        public String name() {
            return "slow-disk";
        }

        @Override
        public String description() {
            return "singles at 1 to 1,024 connections, and batches, where each force takes 5 ms more";
        }

        @Override
        public Results run(Workshop workshop, Rounds rounds) throws IOException, InterruptedException {
            Server fast = workshop.backend("fast", Map.of());
            Server slow = workshop.backend("slow", List.of(SlowForces.jvmOption(FORCE)));
            Stock stock = Stock.ofSingles(Singles.PATH, workshop.certificates());
            List<Subject> subjects = new ArrayList<>();
            for (int connections : CONNECTIONS) {
                subjects.add(new HttpLoad(slow(connections), slow, connections, stock, 100.0 * connections, "200"));
            }
            subjects.add(new HttpLoad(fast(MANY), fast, MANY, stock, 30_000, "200"));
            subjects.add(batches("slow, batches of 100, 16", slow, workshop));
            subjects.add(batches("fast, batches of 100, 16", fast, workshop));
            Results results = rounds.run(name(), "certificates", fast(MANY), subjects);
            return results.with(List.of(
                    Target.atLeast("1,024 connections, of a fast disk", results.ratio(slow(MANY), fast(MANY)), 0.8)));
        }

        private static Subject batches(String name, Server backend, Workshop workshop) {
            return new HttpLoad(
                    name, backend, 16, Stock.ofBatches(Batches.PATH, workshop.certificates(), 100), 500, "200");
        }

        private static String slow(int connections) {
            return "slow, " + connections;
        }

        private static String fast(int connections) {
            return "fast, " + connections;
        }
    }
}
