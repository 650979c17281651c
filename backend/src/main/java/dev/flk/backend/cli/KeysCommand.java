// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import java.time.InstantSource;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code keys}: only the commands below it do anything. */
@Command(
        name = "keys",
        description = {
            "Commands about the keys file: who may sign for which shard.",
            "",
            "A backend that runs sees a change within a second or two, and keeps its keys if",
            "the file has a mistake.",
            ""
        },
        versionProvider = BuildVersion.class,
        mixinStandardHelpOptions = true)
final class KeysCommand implements Runnable {
    @Spec
    private CommandSpec spec = CommandSpec.create();

    private KeysCommand() {}

    /** With the commands below it, which share their options. */
    static CommandLine with(KeysSource source, WalSource log, AuditedCommands audit, InstantSource clock) {
        return new CommandLine(new KeysCommand())
                .addSubcommand(new KeysListCommand(source, clock))
                .addSubcommand(new KeysCheckCommand(source))
                .addSubcommand(new KeysAddCommand(source, audit))
                .addSubcommand(new KeysRetireCommand(source, audit))
                .addSubcommand(new KeysRevokeCommand(source, log, audit));
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "Missing command: keys list, check, add, retire or revoke");
    }
}
