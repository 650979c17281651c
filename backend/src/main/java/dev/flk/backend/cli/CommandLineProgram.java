// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.cli.PolicyTryCommand.PolicyCommand;
import dev.flk.backend.config.BackendConfig;
import dev.flk.program.cli.IoTrouble;
import dev.flk.program.config.InvalidConfig;
import dev.flk.wal.DamagedLogException;
import java.io.IOException;
import java.io.PrintWriter;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

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

    /** What {@code serve} runs. */
    @FunctionalInterface
    public interface Service {
        /**
         * Serves until the process is told to stop.
         *
         * @throws IOException if it can't start; the message says what to do
         */
        void run(BackendConfig config) throws IOException, InterruptedException;
    }

    /** Whether somebody looks at standard error, so that long commands tell there how far they are. One thread. */
    static final class Watched {
        boolean byPeople;
    }

    /** {@code flk-backend} without a command: serves. */
    @Command(
            name = CommandLineProgram.NAME,
            description = "Takes signed certificates, checks and logs them, and records each outcome once.",
            footer = "Without a command it serves. Configuration comes from the environment and --config.",
            versionProvider = BuildVersion.class,
            mixinStandardHelpOptions = true)
    private static final class BackendCommand implements Callable<Integer> {
        private final ServeCommand serve;

        BackendCommand(ServeCommand serve) {
            this.serve = serve;
        }

        @Override
        public Integer call() throws IOException, InterruptedException {
            return serve.call();
        }
    }

    /** {@code config}: only the commands below it do anything. */
    @Command(
            name = "config",
            description = "Commands about the configuration.",
            versionProvider = BuildVersion.class,
            mixinStandardHelpOptions = true)
    private static final class ConfigCommand implements Runnable {
        @Spec
        private CommandSpec spec = CommandSpec.create();

        @Override
        public void run() {
            throw new ParameterException(spec.commandLine(), "Missing command: config check");
        }
    }

    /** {@code config check}: prints what is in force, or all that is wrong. */
    @Command(
            name = "check",
            description = "Prints the configuration that is in force, or all that is wrong with it.",
            versionProvider = BuildVersion.class,
            mixinStandardHelpOptions = true)
    private static final class ConfigCheckCommand implements Runnable {
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
}
