// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.program.cli.IoTrouble;
import dev.flk.program.config.InvalidConfig;
import dev.flk.wal.DamagedLogException;
import java.io.IOException;
import java.io.PrintWriter;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import picocli.CommandLine;
import picocli.CommandLine.ExitCode;

/** {@code flk-backend}. Exit codes: 0 done, 1 failed, 2 usage or configuration. */
public final class CommandLineProgram {
    static final String NAME = "flk-backend";

    private final CommandLine commands;
    private final Watched watched = new Watched();

    /** @param out for results, {@code err} for problems; both are flushed and stay open */
    public CommandLineProgram(Map<String, String> environment, Service service, PrintWriter out, PrintWriter err) {
        ConfigOption config = new ConfigOption();
        ServeCommand serve = new ServeCommand(environment, service, config);
        this.commands = new CommandLine(new BackendCommand(serve))
                .addMixin("config", config)
                .addSubcommand(serve)
                .addSubcommand(
                        new CommandLine(new ConfigCommand()).addSubcommand(new ConfigCheckCommand(environment, config)))
                .addSubcommand(new ExplainCommand(environment, config, InstantSource.system()))
                .addSubcommand(new DiagnosticsCommand(environment, config, InstantSource.system()))
                .addSubcommand(PolicyCommand.with(new WalSource(environment, config), watched, InstantSource.system()))
                .addSubcommand(new KeysCommand(environment, config, InstantSource.system()))
                .addSubcommand(WalCommand.with(new WalSource(environment, config)))
                .setOut(out)
                .setErr(err)
                .setExecutionExceptionHandler((failure, command, parsed) -> fail(failure, command.getErr()));
    }

    /** Somebody looks at standard error: long commands tell there how far they are. */
    public void watched() {
        watched.byPeople = true;
    }

    /** Runs a command line to its end; the exit code. */
    public int run(String... args) {
        return commands.execute(args);
    }

    private static int fail(Exception failure, PrintWriter err) throws Exception {
        if (failure instanceof InvalidConfig invalid) {
            report(invalid.problems(), err);
            return ExitCode.USAGE;
        }
        if (failure instanceof IOException io) {
            err.println(NAME + ": " + describe(io));
            err.flush();
            return ExitCode.SOFTWARE;
        }
        throw failure;
    }

    private static String describe(IOException failure) {
        return failure instanceof DamagedLogException
                ? failure.getMessage() + "; 'flk-backend wal verify' lists all damage, 'wal repair' mends what can be"
                : IoTrouble.inWords(failure);
    }

    private static void report(List<String> problems, PrintWriter err) {
        err.printf(
                "%s: the configuration has %s:%n",
                NAME, problems.size() == 1 ? "a problem" : problems.size() + " problems");
        problems.forEach(problem -> err.println("  " + problem));
        err.flush();
    }
}
