// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.keys;

import java.util.List;

/** A keys file that can't be used, with all that is wrong with it. */
public final class InvalidKeysException extends Exception {
    private static final long serialVersionUID = 1;

    private final transient List<String> problems;

    InvalidKeysException(List<String> problems) {
        super(String.join("; ", problems));
        this.problems = List.copyOf(problems);
    }

    /** One sentence each; no secret is in them. */
    public List<String> problems() {
        return problems;
    }
}
