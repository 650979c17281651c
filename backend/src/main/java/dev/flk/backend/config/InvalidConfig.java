// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import java.util.List;

/** A configuration that nothing can be started with. The message lists every problem, a line each, and no secret. */
public final class InvalidConfig extends IllegalArgumentException {
    private static final long serialVersionUID = 1;

    private final List<String> problems;

    /** @param problems what is wrong, which key, and what to do; at least one */
    public InvalidConfig(List<String> problems) {
        super(String.join(System.lineSeparator(), problems));
        this.problems = List.copyOf(problems);
    }

    /** The problems in the order in which they were found. */
    public List<String> problems() {
        return problems;
    }
}
