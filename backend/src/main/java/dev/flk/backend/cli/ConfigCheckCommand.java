// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.config.BackendConfig;
import java.io.PrintWriter;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code config check}: prints what is in force, or all that is wrong. */
@Command(
        name = "check",
        description = "Prints the configuration that is in force, or all that is wrong with it.",
        versionProvider = BuildVersion.class,
        mixinStandardHelpOptions = true)
final class ConfigCheckCommand implements Runnable {
    private final Map<String, String> environment;
    private final ConfigOption config;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    ConfigCheckCommand(Map<String, String> environment, ConfigOption config) {
        this.environment = environment;
        this.config = config;
    }

    @Override
    public void run() {
        String table = BackendConfig.describe(environment, config.file);
        PrintWriter out = spec.commandLine().getOut();
        out.print(table);
        out.flush();
    }
}
