// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.config;

import java.util.List;

/** An invalid configuration. The message has each problem on its own line and contains no secrets. */
public final class InvalidConfig extends IllegalArgumentException {
    private static final long serialVersionUID = 1;

    private final List<String> problems;

    /** @param problems at least one problem; each names the setting and says what is wrong and what to do */
    public InvalidConfig(List<String> problems) {
        super(String.join(System.lineSeparator(), problems));
        this.problems = List.copyOf(problems);
    }

    /** Returns the problems in the order in which they were found. */
    public List<String> problems() {
        return problems;
    }
}
