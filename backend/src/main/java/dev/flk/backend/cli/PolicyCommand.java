// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import java.time.InstantSource;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code policy}: only the command below it does anything. */
@Command(
        name = "policy",
        description = "Commands about the policy that certificates are decided by.",
        versionProvider = BuildVersion.class,
        mixinStandardHelpOptions = true)
final class PolicyCommand implements Runnable {
    @Spec
    private CommandSpec spec = CommandSpec.create();

    private PolicyCommand() {}

    static CommandLine with(WalSource source, Watched watched, InstantSource clock) {
        return new CommandLine(new PolicyCommand()).addSubcommand(new PolicyTryCommand(source, watched, clock));
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "Missing command: policy try");
    }
}
