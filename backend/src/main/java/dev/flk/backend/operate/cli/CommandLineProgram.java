// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import dev.flk.backend.access.keys.SigningConfig;
import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.copy.SupersededException;
import dev.flk.backend.operate.cli.options.Configuration;
import dev.flk.backend.operate.cli.remote.AgentsCommand;
import dev.flk.backend.operate.cli.remote.LogsCommand;
import dev.flk.backend.operate.cli.remote.RecordCommand;
import dev.flk.backend.stores.postgres.PostgresCommand;
import dev.flk.program.cli.IoMessages;
import dev.flk.program.cli.Subcommands;
import dev.flk.program.cli.Terminal.RewrittenLine;
import dev.flk.program.commands.Commands;
import dev.flk.program.commands.ConfigCommand;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.logging.LogOutput;
import dev.flk.program.logging.LogOutput.LogConfig;
import dev.flk.wal.segment.DamagedLogException;
import java.io.IOException;
import java.io.PrintWriter;
import java.time.InstantSource;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/**
 * The program {@code flk-backend}. Exit codes, unless the help of a command says otherwise: 0 success, 1 failure, 2
 * wrong usage or configuration. The exit code 4 is only for a backend whose log belongs to another one.
 */
public final class CommandLineProgram {
    static final String NAME = "flk-backend";

    /** The exit code of a backend whose log belongs to another one: a restart does not help. */
    private static final int SUPERSEDED = 4;

    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend");

    private final Commands commands;
    private final AtomicBoolean watched = new AtomicBoolean();
    private final PrintWriter terminal;

    /**
     * @param out the stream for results, which stays open
     * @param err the stream for problems, which stays open
     */
    public CommandLineProgram(Map<String, String> environment, Service service, PrintWriter out, PrintWriter err) {
        Configuration config = new Configuration(environment);
        InstantSource clock = InstantSource.system();
        this.terminal = err;
        Subcommands subcommands = new Subcommands()
                .add("agents", () -> new AgentsCommand(config))
                .add("config", () -> new ConfigCommand(NAME, () -> config.read(BackendConfig::describe)))
                .add("explain", () -> new ExplainCommand(config, clock))
                .add("diagnostics", () -> new BackendDiagnostics(config, clock))
                .add("feed", () -> FeedCommand.with(new WalSource(config)))
                .add("health", () -> new BackendHealthCommand(config, clock))
                .add("policy", () -> PolicyTryCommand.with(new WalSource(config), this::rewrittenLine, clock))
                .add("keys", () -> new KeysCommand(config, clock))
                .add("outcomes", () -> new OutcomesCommand(config))
                .add(
                        "postgres",
                        () -> new PostgresCommand(
                                NAME,
                                () -> config.loadQuietly().poolsInPostgres(),
                                "DEDUP_BACKEND, RECORD_STORE: neither is postgres, so there is no server to use",
                                clock))
                .add("record", () -> RecordCommand.with(config, clock))
                .add("logs", () -> new LogsCommand(config))
                .add("wal", () -> WalCommand.with(new WalSource(config), clock));
        this.commands =
                new Commands(NAME, new BackendCommand(service, config), subcommands, out, err, new BackendFailures());
    }

    /** Makes long commands show their progress on standard error, which must be a terminal. */
    public void watched() {
        watched.set(true);
    }

    private RewrittenLine rewrittenLine() {
        return new RewrittenLine(
                watched.get()
                        ? text -> {
                            terminal.print(text);
                            terminal.flush();
                        }
                        : null);
    }

    /** Returns the commands, for their man pages and completion. */
    public CommandLine commandLine() {
        return commands.all();
    }

    /** Runs a command line and returns its exit code. */
    public int run(String... args) {
        return commands.run(args);
    }

    private static final class BackendFailures implements Commands.Failures {
        @Override
        public String describe(IOException failure) {
            return failure instanceof DamagedLogException
                    ? failure.getMessage()
                            + "; 'flk-backend wal verify' lists all damage, 'wal repair' repairs what it can"
                    : IoMessages.describe(failure);
        }

        @Override
        public int exitCode(IOException failure) {
            return failure instanceof SupersededException ? SUPERSEDED : ExitCode.SOFTWARE;
        }
    }

    /** The service that {@code serve} runs. */
    @FunctionalInterface
    public interface Service {
        /**
         * Serves until the process is stopped.
         *
         * @param again a function that reads the configuration again and applies its log level, or throws {@link
         *     InvalidConfig}
         * @throws IOException if the service can't start; the message says what to do
         */
        void run(BackendConfig config, Supplier<BackendConfig> again) throws IOException, InterruptedException;
    }

    /** The command {@code flk-backend}, which serves. Subcommands inherit {@code -h} and {@code -V}. */
    @Command(
            name = CommandLineProgram.NAME,
            scope = ScopeType.INHERIT,
            description = "Accepts signed certificates, logs and verifies them, and records each outcome once.",
            versionProvider = BuildVersion.class,
            mixinStandardHelpOptions = true)
    private static final class BackendCommand implements Callable<Integer> {
        private final Service service;

        @Mixin
        private final Configuration config;

        @Spec
        private CommandSpec spec = CommandSpec.create();

        BackendCommand(Service service, Configuration config) {
            this.service = service;
            this.config = config;
        }

        @Override
        public Integer call() throws IOException, InterruptedException {
            return serve(false);
        }

        @Command(
                name = "serve",
                description = "Serves until it is stopped (the default).",
                exitCodeListHeading = "%nExit codes:%n",
                exitCodeList = {
                    "1:it can't start, or no longer owns its log directory",
                    "2:wrong usage or configuration",
                    "4:with LOG_COPY: another backend owns the log, so a restart does not help",
                    "143:it was stopped by SIGTERM"
                })
        int serve(
                @Option(
                                names = "--take-over",
                                description = {
                                    "With LOG_COPY: go on with the log, although the backend that owns it may be alive.",
                                    "That backend answers nothing more, and ends."
                                })
                        boolean takeOver)
                throws IOException, InterruptedException {
            BackendConfig loaded = config.load();
            if (takeOver && loaded.copy().isEmpty()) {
                throw new ParameterException(
                        spec.commandLine(),
                        "--take-over: LOG_COPY is off, so there is no copy that another backend owns");
            }
            BackendConfig read = takeOver ? loaded.takingOver() : loaded;
            LogOutput.configure(read.log(), Configuration.LOG_STYLE);
            if (read.signing() instanceof SigningConfig.Off) {
                LOG.warn("PCS_SIGN_ALG=none: signatures are not checked, so anyone who reaches the port can submit");
            }
            service.run(read, () -> {
                BackendConfig next = config.load();
                LogOutput.configure(new LogConfig(next.log().level(), read.log().format()), Configuration.LOG_STYLE);
                return next;
            });
            return ExitCode.OK;
        }
    }

    /** The version of this build, from the jar's manifest. */
    public static final class BuildVersion implements IVersionProvider {
        /** Returns the version, such as {@code 0.1.0}; {@code unpackaged} if the program runs from class files. */
        public static String text() {
            return Optional.ofNullable(BuildVersion.class.getPackage().getImplementationVersion())
                    .orElse("unpackaged");
        }

        @Override
        public String[] getVersion() {
            return new String[] {CommandLineProgram.NAME + " " + text()};
        }
    }
}
