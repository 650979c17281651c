// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.suite;

import java.io.IOException;

/** Subjects that are compared in one run. */
interface Suite {
    String name();

    /** For people, on one line. */
    String description();

    Results run(Workshop workshop, Rounds rounds) throws IOException, InterruptedException;
}
