// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.wal.Damage;
import java.io.PrintWriter;
import java.util.List;
import picocli.CommandLine.ExitCode;

/** Missing records, for people. */
final class MissingText {
    private MissingText() {}

    /** {@code 4}, {@code 4 to 6}. */
    static String sequences(Damage damage) {
        return damage.firstMissing() == damage.lastMissing()
                ? String.valueOf(damage.firstMissing())
                : damage.firstMissing() + " to " + damage.lastMissing();
    }

    /** Says what is missing up to the sequence {@code to}; returns the exit code. */
    static int report(List<Damage> damages, long to, PrintWriter err) {
        List<Damage> within =
                damages.stream().filter(damage -> damage.firstMissing() <= to).toList();
        within.forEach(damage -> err.println(CommandLineProgram.NAME + ": " + damage.describe()));
        err.flush();
        return within.isEmpty() ? ExitCode.OK : ExitCode.SOFTWARE;
    }

    /** Where in the file. */
    static String place(Damage damage) {
        return switch (damage.kind()) {
            case BROKEN -> String.valueOf(damage.offset());
            case ABSENT -> "not there";
        };
    }
}
