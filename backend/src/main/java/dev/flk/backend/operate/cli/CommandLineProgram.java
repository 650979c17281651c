// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import dev.flk.backend.access.keys.SigningConfig;
import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.copy.SupersededException;
import dev.flk.backend.operate.cli.options.Configuration;
import dev.flk.backend.operate.cli.remote.LogsCommand;
import dev.flk.backend.operate.cli.remote.RecordCommand;
import dev.flk.backend.operate.cli.remote.SessionsCommand;
import dev.flk.backend.operate.cli.remote.StateCommand;
import dev.flk.program.cli.InertWriter;
import dev.flk.program.cli.IoMessages;
import dev.flk.program.cli.Subcommands;
import dev.flk.program.cli.Terminal.RewrittenLine;
import dev.flk.program.cli.TypedPaths;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.logging.LogOutput;
import dev.flk.program.logging.LogOutput.LogConfig;
import dev.flk.wal.segment.DamagedLogException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.InvalidPathException;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
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

    private final BackendCommand root;
    private final Subcommands subcommands;
    private final AtomicBoolean watched = new AtomicBoolean();
    private final PrintWriter out;
    private final PrintWriter terminal;
    private final PrintWriter err;

    /**
     * @param out the stream for results, which stays open
     * @param err the stream for problems, which stays open
     */
    public CommandLineProgram(Map<String, String> environment, Service service, PrintWriter out, PrintWriter err) {
        Configuration config = new Configuration(environment);
        InstantSource clock = InstantSource.system();
        this.out = out;
        this.terminal = err;
        this.err = InertWriter.to(err);
        this.root = new BackendCommand(service, config);
        this.subcommands = new Subcommands()
                .add("config", () -> new ConfigCommand(config))
                .add("explain", () -> new ExplainCommand(config, clock))
                .add("diagnostics", () -> new BackendDiagnostics(config, clock))
                .add("feed", () -> FeedCommand.with(new WalSource(config)))
                .add("health", () -> new BackendHealthCommand(config, clock))
                .add("policy", () -> PolicyTryCommand.with(new WalSource(config), this::rewrittenLine, clock))
                .add("keys", () -> new KeysCommand(config, clock))
                .add("outcomes", () -> new OutcomesCommand(config))
                .add("postgres", () -> new PostgresCommand(config, clock))
                .add("record", () -> RecordCommand.with(config, clock))
                .add("logs", () -> new LogsCommand(config))
                .add("sessions", () -> SessionsCommand.with(config))
                .add("state", () -> StateCommand.with(config))
                .add("wal", () -> WalCommand.with(new WalSource(config), clock));
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

    private static int refuse(ParameterException mistake) {
        CommandLine command = mistake.getCommandLine();
        command.getErr().println("flk-backend: " + mistake.getMessage());
        if (!Subcommands.printSuggestions(mistake, command.getErr())) {
            command.getErr().println("Try: " + command.getCommandSpec().qualifiedName() + " --help");
        }
        return ExitCode.USAGE;
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
        return commandLine(subcommands::addAllTo);
    }

    /** Runs a command line and returns its exit code. */
    public int run(String... args) {
        Optional<String> problem = TypedPaths.problem(System.getProperty("user.dir", ""), args);
        if (problem.isPresent()) {
            err.println(NAME + ": " + problem.get());
            err.flush();
            return ExitCode.USAGE;
        }
        int exitCode = commandLine(program -> subcommands.addTo(program, args)).execute(args);
        out.flush();
        err.flush();
        return exitCode;
    }

    private static int fail(Exception failure, PrintWriter err) {
        if (failure instanceof InvalidConfig invalid) {
            report(invalid.problems(), err);
            return ExitCode.USAGE;
        }
        if (failure instanceof InvalidPathException name) {
            err.println(NAME + ": " + TypedPaths.describe(name));
            return ExitCode.USAGE;
        }
        if (failure instanceof IOException io) {
            err.println(NAME + ": " + describe(io));
            return failure instanceof SupersededException ? SUPERSEDED : ExitCode.SOFTWARE;
        }
        if (failure instanceof UncheckedIOException && failure.getCause() instanceof IOException io) {
            return fail(io, err);
        }
        failure.printStackTrace(err);
        return ExitCode.SOFTWARE;
    }

    private static String describe(IOException failure) {
        return failure instanceof DamagedLogException
                ? failure.getMessage() + "; 'flk-backend wal verify' lists all damage, 'wal repair' repairs what it can"
                : IoMessages.describe(failure);
    }

    private static void report(List<String> problems, PrintWriter err) {
        err.printf(
                "%s: the configuration has %s:%n",
                NAME, problems.size() == 1 ? "a problem" : problems.size() + " problems");
        problems.forEach(problem -> err.println("  " + problem));
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

    /** The command {@code config}. */
    @Command(name = "config", description = "Commands about the configuration.")
    static final class ConfigCommand {
        private final Configuration config;

        @Spec
        private CommandSpec spec = CommandSpec.create();

        ConfigCommand(Configuration config) {
            this.config = config;
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
                spec.commandLine().getOut().print(config.read(BackendConfig::describe));
                return ExitCode.OK;
            } catch (InvalidConfig e) {
                report(e.problems(), spec.commandLine().getErr());
                return ExitCode.SOFTWARE;
            }
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
