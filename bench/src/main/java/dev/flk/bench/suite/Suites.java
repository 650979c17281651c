// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.suite;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** All of them, by name. */
public final class Suites {
    private static final List<Suite> ALL = List.of(new Singles(), new Batches(), new Signatures(), new Stores());

    private Suites() {}

    /** Names and descriptions, in the order in which they run. */
    public static Map<String, String> names() {
        Map<String, String> names = new LinkedHashMap<>();
        ALL.forEach(suite -> names.put(suite.name(), suite.description()));
        return names;
    }

    /**
     * Runs one.
     *
     * @param data the directory on whose disk is measured
     * @param progress a line for each round
     */
    public static Results run(String name, Path data, Plan plan, PrintStream progress)
            throws IOException, InterruptedException {
        Suite suite = ALL.stream()
                .filter(one -> one.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("there is no suite " + name));
        try (Workshop workshop = new Workshop(data)) {
            return suite.run(workshop, new Rounds(plan, progress));
        }
    }
}
