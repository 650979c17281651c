// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.commands;

import dev.flk.program.cli.InertWriter;
import dev.flk.program.cli.IoMessages;
import dev.flk.program.cli.Subcommands;
import dev.flk.program.cli.TypedPaths;
import dev.flk.program.config.InvalidConfig;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.InvalidPathException;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import picocli.CommandLine;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.ParameterException;

/**
 * The command line of a program that serves unless a subcommand is named. Exit codes, unless the help of a command says
 * otherwise: 0 success, 1 failure, 2 wrong usage or configuration.
 */
public final class Commands {
    private final String name;
    private final Object root;
    private final Subcommands subcommands;
    private final PrintWriter out;
    private final PrintWriter err;
    private final Failures failures;

    /** How a program reports failures of input and output. */
    public interface Failures {
        /** Returns a sentence about a failure. */
        default String describe(IOException failure) {
            return IoMessages.describe(failure);
        }

        /** Returns the exit code of a failure. */
        default int exitCode(IOException failure) {
            return ExitCode.SOFTWARE;
        }
    }

    /**
     * @param name the name of the program, such as {@code flk-backend}
     * @param root the command without a name
     * @param out the stream for results, which stays open
     * @param err the stream for problems, which stays open
     */
    public Commands(
            String name, Object root, Subcommands subcommands, PrintWriter out, PrintWriter err, Failures failures) {
        this.name = name;
        this.root = root;
        this.subcommands = subcommands;
        this.out = out;
        this.err = InertWriter.to(err);
        this.failures = failures;
    }

    private CommandLine commandLine(Consumer<CommandLine> addSubcommands) {
        CommandLine commands = new CommandLine(root);
        addSubcommands.accept(commands);
        TypedPaths.in(commands);
        commands.setOut(out)
                .setErr(err)
                .setExecutionStrategy(InertWriter.strategy(InertWriter.to(out)))
                .setParameterExceptionHandler((mistake, arguments) -> refuse(mistake))
                .setExecutionExceptionHandler((failure, command, parsed) -> fail(failure, command.getErr()));
        // the subcommands are added before the footer is set; otherwise, each of them would inherit the footer
        commands.getCommandSpec()
                .usageMessage()
                .footer("Without a command, it serves. It reads the environment and the --config file.");
        return commands;
    }

    private int refuse(ParameterException mistake) {
        CommandLine command = mistake.getCommandLine();
        command.getErr().println(name + ": " + mistake.getMessage());
        if (!Subcommands.printSuggestions(mistake, command.getErr())) {
            command.getErr().println("Try: " + command.getCommandSpec().qualifiedName() + " --help");
        }
        return ExitCode.USAGE;
    }

    /** Returns the commands, for their man pages and completion. */
    public CommandLine all() {
        return commandLine(subcommands::addAllTo);
    }

    /** Runs a command line and returns its exit code. */
    public int run(String... args) {
        Optional<String> problem = TypedPaths.problem(System.getProperty("user.dir", ""), args);
        if (problem.isPresent()) {
            err.println(name + ": " + problem.get());
            err.flush();
            return ExitCode.USAGE;
        }
        int exitCode = commandLine(program -> subcommands.addTo(program, args)).execute(args);
        out.flush();
        err.flush();
        return exitCode;
    }

    private int fail(Exception failure, PrintWriter err) {
        if (failure instanceof InvalidConfig invalid) {
            report(name, invalid.problems(), err);
            return ExitCode.USAGE;
        }
        if (failure instanceof InvalidPathException path) {
            err.println(name + ": " + TypedPaths.describe(path));
            return ExitCode.USAGE;
        }
        if (failure instanceof IOException io) {
            err.println(name + ": " + failures.describe(io));
            return failures.exitCode(io);
        }
        if (failure instanceof UncheckedIOException && failure.getCause() instanceof IOException io) {
            return fail(io, err);
        }
        failure.printStackTrace(err);
        return ExitCode.SOFTWARE;
    }

    /** Prints the problems of a configuration. */
    static void report(String name, List<String> problems, PrintWriter err) {
        err.printf(
                "%s: the configuration has %s:%n",
                name, problems.size() == 1 ? "a problem" : problems.size() + " problems");
        problems.forEach(problem -> err.println("  " + problem));
    }
}
