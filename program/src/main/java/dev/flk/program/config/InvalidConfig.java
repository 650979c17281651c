// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.config;

import java.util.List;

/** A configuration that nothing can be started with. The message has every problem on a line of its own, and no secret. */
public final class InvalidConfig extends IllegalArgumentException {
    private static final long serialVersionUID = 1;

    private final List<String> problems;

    /** @param problems which setting, what is wrong with it, and what to do; at least one */
    public InvalidConfig(List<String> problems) {
        super(String.join(System.lineSeparator(), problems));
        this.problems = List.copyOf(problems);
    }

    /** In the order in which they were found. */
    public List<String> problems() {
        return problems;
    }
}
