// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code config}: only the commands below it do anything. */
@Command(
        name = "config",
        description = "Commands about the configuration.",
        versionProvider = BuildVersion.class,
        mixinStandardHelpOptions = true)
final class ConfigCommand implements Runnable {
    @Spec
    private CommandSpec spec = CommandSpec.create();

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "Missing command: config check");
    }
}
