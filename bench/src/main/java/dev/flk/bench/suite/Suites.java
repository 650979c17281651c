// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.suite;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
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
}
