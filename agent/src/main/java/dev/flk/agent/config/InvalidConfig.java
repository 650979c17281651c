// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.config;

import java.util.List;

/** A configuration that can't be used; {@link #problems} lists everything that is wrong with it, a sentence each. */
public final class InvalidConfig extends Exception {
    private final List<String> problems;

    InvalidConfig(List<String> problems) {
        super(String.join("; ", problems));
        this.problems = List.copyOf(problems);
    }

    /** At least one; none shows a secret. */
    public List<String> problems() {
        return problems;
    }
}
