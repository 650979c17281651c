// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.commands;

import dev.flk.program.config.InvalidConfig;
import java.util.function.Supplier;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** The command {@code config}. */
@Command(name = "config", description = "Commands about the configuration.")
public final class ConfigCommand {
    private final String program;
    private final Supplier<String> description;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    /**
     * @param program the name of the program, such as {@code flk-backend}
     * @param description returns the settings in force in 80 columns, or throws {@link InvalidConfig}
     */
    public ConfigCommand(String program, Supplier<String> description) {
        this.program = program;
        this.description = description;
    }

    @Command(
            name = "check",
            description = "Prints the configuration in force, or every problem that it has.",
            exitCodeListHeading = "%nExit codes:%n",
            exitCodeList = {
                "0:the configuration can be used, perhaps with warnings",
                "1:it has a problem",
                "2:wrong usage"
            })
    int check() {
        try {
            spec.commandLine().getOut().print(description.get());
            return ExitCode.OK;
        } catch (InvalidConfig e) {
            Commands.report(program, e.problems(), spec.commandLine().getErr());
            return ExitCode.SOFTWARE;
        }
    }
}
