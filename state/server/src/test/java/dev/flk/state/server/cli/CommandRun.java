// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.server.cli;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Map;

/** A runner of command lines in this process, which keeps the output of the last one. */
final class CommandRun {
    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    int run(Map<String, String> environment, String... args) {
        out.getBuffer().setLength(0);
        err.getBuffer().setLength(0);
        return new StateProgram(
                        environment,
                        (config, again) -> {
                            throw new AssertionError("it must not serve");
                        },
                        new PrintWriter(out),
                        new PrintWriter(err))
                .run(args);
    }

    String out() {
        return out.toString();
    }

    String err() {
        return err.toString();
    }
}
