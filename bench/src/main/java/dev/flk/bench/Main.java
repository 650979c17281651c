// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import picocli.CommandLine;

/** {@code flk bench}. */
public final class Main {
    private Main() {}

    /** Exits 0 when all was measured, 1 if something went wrong, 2 for a wrong command line, 3 if a target was missed with {@code --strict}. */
    public static void main(String[] args) {
        System.exit(new CommandLine(new BenchCommand())
                .setUsageHelpWidth(80)
                .setExecutionExceptionHandler((e, commandLine, result) -> {
                    commandLine.getErr().println("flk bench: " + (e.getMessage() == null ? e : e.getMessage()));
                    return 1;
                })
                .execute(args));
    }
}
