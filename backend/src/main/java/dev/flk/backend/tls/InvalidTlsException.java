// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.tls;

import java.util.List;

/** The files of TLS have mistakes. */
public final class InvalidTlsException extends Exception {
    private static final long serialVersionUID = 1;

    private final transient List<String> problems;

    InvalidTlsException(List<String> problems) {
        super(String.join("; ", problems));
        this.problems = List.copyOf(problems);
    }

    /** Each of them, beginning with the setting and the file; none with a key. */
    public List<String> problems() {
        return problems;
    }
}
