// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import ch.qos.logback.classic.Level;
import dev.flk.agent.config.AgentConfig;
import dev.flk.program.cli.InertWriter;
import dev.flk.program.cli.Subcommands;
import dev.flk.program.cli.TypedPaths;
import dev.flk.program.config.Key;
import dev.flk.program.logging.LogOutput;
import java.io.InputStream;
import java.io.OutputStreamWriter;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;

/** The command {@code flk-agent} with all of its subcommands. */
@Command(
        name = "flk-agent",
        description = "Certifies measurements and sends the certificates to a backend, through an outbox on disk.",
        mixinStandardHelpOptions = true,
        versionProvider = FlkAgent.Version.class,
        scope = ScopeType.INHERIT,
        sortOptions = false,
        usageHelpWidth = 80,
        synopsisSubcommandLabel = "COMMAND")
public final class FlkAgent implements Runnable {
    /** The style of log lines (time in UTC, level, text), and the log levels of libraries. */
    public static final LogOutput.Style LOG_STYLE = new LogOutput.Style(
            "%d{yyyy-MM-dd'T'HH:mm:ss.SSS'Z',UTC} %-5level " + LogOutput.MESSAGE + "%n",
            Map.of("io.netty", Level.INFO, "io.github", Level.INFO),
            null);

    private final Context context;
    private final PrintWriter help;
    private final Subcommands subcommands;

    /** Creates the program with its environment variables and streams. The streams must use UTF-8. */
    public FlkAgent(Map<String, String> environment, InputStream in, PrintStream out, PrintStream err) {
        context = new Context(environment, in, out, err);
        help = new PrintWriter(new OutputStreamWriter(out, StandardCharsets.UTF_8), true);
        CertificateCommands certificates = new CertificateCommands(context);
        OutboxCommands outbox = new OutboxCommands(context);
        subcommands = new Subcommands()
                .add("run", () -> new RunCommand(context))
                .add("certify", () -> new CertifyCommand(context))
                .add("sources", () -> new SourcesCommand(context))
                .add("submit", () -> new SubmitCommand(context))
                .add("status", () -> new StatusCommand(context))
                .add("compact", () -> outbox.new Compact())
                .add("dlq", () -> new DlqCommand(context))
                .add("outbox", () -> outbox.new Show())
                .add("fsck", () -> outbox.new Fsck())
                .add("doctor", () -> new DoctorCommand(context))
                .add("health", () -> new AgentHealthCommand(context))
                .add("diagnostics", () -> new AgentDiagnosticsCommand(context))
                .add("keygen", () -> certificates.new Keygen())
                .add("canonical", () -> certificates.new Canonical())
                .add("sign", () -> certificates.new Sign())
                .add("verify", () -> new VerifyCommand(context));
    }

    private CommandLine commandLine(Consumer<CommandLine> addSubcommands) {
        CommandLine commands = new CommandLine(this);
        addSubcommands.accept(commands);
        TypedPaths.in(commands);
        // sets the footer here, because subcommands would inherit a footer from the annotation
        commands.getCommandSpec().usageMessage().footer(footer());
        Failures failures = new Failures(context);
        return commands.setOut(help)
                .setErr(context.err())
                .setExecutionStrategy(InertWriter.strategy(context.out()))
                .setParameterExceptionHandler(failures)
                .setExecutionExceptionHandler(failures);
    }

    /**
     * Records that standard error is a terminal: messages are then wrapped at 80 columns, and long commands show their
     * progress.
     */
    public void watched() {
        context.watched();
    }

    /** Runs a command line; returns the exit code. */
    public int run(String... args) {
        Optional<String> problem = TypedPaths.problem(System.getProperty("user.dir", ""), args);
        if (problem.isPresent()) {
            context.complain(problem.get());
            return CommandLine.ExitCode.USAGE;
        }
        return commandLine(program -> subcommands.addTo(program, args)).execute(args);
    }

    private static String[] footer() {
        String names = AgentConfig.KEYS.stream().map(Key::name).collect(Collectors.joining(" "));
        return Stream.of(
                        "",
                        "Settings come from the environment, or from --config FILE with NAME=value",
                        "lines; the environment takes precedence. NAME_FILE reads NAME from a file:",
                        Context.at80("  " + names, 2),
                        "",
                        "Exit codes: 0 success, 1 failure, 2 usage or configuration error.")
                .flatMap(String::lines)
                .toArray(String[]::new);
    }

    /** Returns the model of all commands, from which man pages and shell completions are generated. */
    public CommandLine commandLine() {
        return commandLine(subcommands::addAllTo);
    }

    @Option(
            names = "--config",
            paramLabel = "FILE",
            scope = ScopeType.INHERIT,
            description = "A properties file with settings.")
    void config(Path file) {
        context.configFile(file);
    }

    @Override
    public void run() {
        throw new UsageError("a command is missing");
    }

    /** The version that is stored in the jar. */
    static final class Version implements CommandLine.IVersionProvider {
        @Override
        public String[] getVersion() {
            String version = FlkAgent.class.getPackage().getImplementationVersion();
            return new String[] {"flk-agent " + (version == null ? "(not from a jar)" : version)};
        }
    }
}
