// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.suite;

import java.io.IOException;

/** Something that is measured in rounds. */
interface Subject {
    String name();

    /** One round. */
    Sample round(Plan plan) throws IOException, InterruptedException;
}
