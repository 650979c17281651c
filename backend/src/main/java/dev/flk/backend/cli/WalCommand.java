// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code wal}: only the commands below it do anything. */
@Command(
        name = "wal",
        description = {
            "Commands about the inbox log.",
            "",
            "ls, verify, cat and replay only read, and may run beside a backend; repair and",
            "compact want it stopped.",
            ""
        },
        versionProvider = BuildVersion.class,
        mixinStandardHelpOptions = true)
final class WalCommand implements Runnable {
    @Spec
    private CommandSpec spec = CommandSpec.create();

    private WalCommand() {}

    /** With the commands below it, which share their options. */
    static CommandLine with(WalSource source) {
        return new CommandLine(new WalCommand())
                .addSubcommand(new WalLsCommand(source))
                .addSubcommand(new WalVerifyCommand(source))
                .addSubcommand(new WalCatCommand(source))
                .addSubcommand(new WalReplayCommand(source))
                .addSubcommand(new WalCompactCommand(source))
                .addSubcommand(new WalRepairCommand(source));
    }

    @Override
    public void run() {
        throw new ParameterException(
                spec.commandLine(), "Missing command: wal ls, verify, cat, replay, compact or repair");
    }
}
