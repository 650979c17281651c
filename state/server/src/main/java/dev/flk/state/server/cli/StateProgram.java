// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.server.cli;

import dev.flk.backend.stores.postgres.PostgresCommand;
import dev.flk.program.cli.Subcommands;
import dev.flk.program.commands.Commands;
import dev.flk.program.commands.ConfigCommand;
import dev.flk.program.logging.LogOutput;
import dev.flk.program.logging.LogOutput.LogConfig;
import dev.flk.state.server.config.ServerConfig;
import java.io.IOException;
import java.io.PrintWriter;
import java.time.InstantSource;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.ScopeType;

/**
 * The program {@code flk-state}. Exit codes, unless the help of a command says otherwise: 0 success, 1 failure, 2 wrong
 * usage or configuration.
 */
public final class StateProgram {
    static final String NAME = "flk-state";

    private final Commands commands;

    /**
     * @param out the stream for results, which stays open
     * @param err the stream for problems, which stays open
     */
    public StateProgram(Map<String, String> environment, Service service, PrintWriter out, PrintWriter err) {
        Configuration config = new Configuration(environment);
        InstantSource clock = InstantSource.system();
        ServeCommand root = new ServeCommand(service, config);
        Subcommands subcommands = new Subcommands()
                .add("serve", () -> new Serve(root))
                .add("config", () -> new ConfigCommand(NAME, () -> config.read(ServerConfig::describe)))
                .add("health", () -> new StateHealthCommand(config, clock))
                .add("diagnostics", () -> new StateDiagnostics(config, clock))
                .add(
                        "postgres",
                        () -> new PostgresCommand(
                                NAME,
                                () -> config.loadQuietly().inPostgres(),
                                "STATE_ENGINE, SESSION_DATABASE_URL: neither uses Postgres, so there is no server to use",
                                clock))
                .add("sessions", () -> SessionsCommand.with(config));
        root.addTo(subcommands);
        this.commands = new Commands(NAME, root, subcommands, out, err, new Commands.Failures() {});
    }

    /** Returns the commands, for their man pages and completion. */
    public CommandLine commandLine() {
        return commands.all();
    }

    /** Runs a command line and returns its exit code. */
    public int run(String... args) {
        return commands.run(args);
    }

    /** The service that {@code serve} runs. */
    @FunctionalInterface
    public interface Service {
        /**
         * Serves until the process is stopped.
         *
         * @param again reads the configuration again and applies its log level, or throws {@code InvalidConfig}
         * @throws IOException if the service can't start; the message says what to do
         */
        void run(ServerConfig config, Runnable again) throws IOException, InterruptedException;
    }

    /** The command {@code flk-state}, which serves. Subcommands inherit {@code -h} and {@code -V}. */
    @Command(
            name = StateProgram.NAME,
            scope = ScopeType.INHERIT,
            description = "Serves durable, versioned, replayable state of agents, and their sessions.",
            versionProvider = BuildVersion.class,
            mixinStandardHelpOptions = true)
    private static final class ServeCommand extends StateCommand implements Callable<Integer> {
        private final Service service;

        @Mixin
        private final Configuration config;

        ServeCommand(Service service, Configuration config) {
            super(config);
            this.service = service;
            this.config = config;
        }

        @Override
        public Integer call() throws IOException, InterruptedException {
            ServerConfig read = config.load();
            LogOutput.configure(read.log(), Configuration.LOG_STYLE);
            service.run(read, () -> {
                ServerConfig next = config.load();
                LogOutput.configure(new LogConfig(next.log().level(), read.log().format()), Configuration.LOG_STYLE);
            });
            return ExitCode.OK;
        }
    }

    /** The command {@code serve}, which does what the program does without a command. */
    @Command(
            name = "serve",
            description = "Serves until it is stopped (the default).",
            exitCodeListHeading = "%nExit codes:%n",
            exitCodeList = {"1:it can't start", "2:wrong usage or configuration", "143:it was stopped by SIGTERM"})
    private record Serve(ServeCommand root) implements Callable<Integer> {
        @Override
        public Integer call() throws IOException, InterruptedException {
            return root.call();
        }
    }

    /** The version of this build, from the jar's manifest. */
    public static final class BuildVersion implements IVersionProvider {
        /** Returns the version, such as {@code 0.2.0}; {@code unpackaged} if the program runs from class files. */
        public static String text() {
            return Optional.ofNullable(BuildVersion.class.getPackage().getImplementationVersion())
                    .orElse("unpackaged");
        }

        @Override
        public String[] getVersion() {
            return new String[] {NAME + " " + text()};
        }
    }
}
