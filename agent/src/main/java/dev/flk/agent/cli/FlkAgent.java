// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import ch.qos.logback.classic.Level;
import dev.flk.agent.config.AgentConfig;
import dev.flk.program.config.Key;
import dev.flk.program.logging.LogOutput;
import java.io.InputStream;
import java.io.OutputStreamWriter;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
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
    /** The style of log lines (time in UTC, level, text), and the levels of libraries. */
    public static final LogOutput.Style LOG_STYLE = new LogOutput.Style(
            "%d{yyyy-MM-dd'T'HH:mm:ss.SSS'Z',UTC} %-5level " + LogOutput.MESSAGE + "%n",
            Map.of("io.netty", Level.INFO, "io.github", Level.INFO),
            null);

    private final Context context;
    private final CommandLine commandLine;

    /** Creates the program with its environment variables and streams. The streams must use UTF-8. */
    public FlkAgent(Map<String, String> environment, InputStream in, PrintStream out, PrintStream err) {
        context = new Context(environment, in, out, err);
        CertificateCommands certificates = new CertificateCommands(context);
        OutboxCommands outbox = new OutboxCommands(context);
        commandLine = new CommandLine(this)
                .addSubcommand(new RunCommand(context))
                .addSubcommand(new CertifyCommand(context))
                .addSubcommand(new SubmitCommand(context))
                .addSubcommand(new StatusCommand(context))
                .addSubcommand(outbox.new Compact())
                .addSubcommand(new DlqCommand(context))
                .addSubcommand(outbox.new Show())
                .addSubcommand(outbox.new Fsck())
                .addSubcommand(new DoctorCommand(context))
                .addSubcommand(new AgentHealthCommand(context))
                .addSubcommand(new AgentDiagnosticsCommand(context))
                .addSubcommand(certificates.new Keygen())
                .addSubcommand(certificates.new Canonical())
                .addSubcommand(certificates.new Sign())
                .addSubcommand(new VerifyCommand(context));
        // set here and not in the annotation, from which subcommands would inherit the footer
        commandLine.getCommandSpec().usageMessage().footer(footer());
        Failures failures = new Failures(context);
        commandLine
                .setOut(writer(out))
                .setErr(writer(err))
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
        return commandLine.execute(args);
    }

    private static PrintWriter writer(PrintStream stream) {
        return new PrintWriter(new OutputStreamWriter(stream, StandardCharsets.UTF_8), true);
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

    /** Returns the model of all commands, from which man pages and the completion of shells are generated. */
    public CommandLine commandLine() {
        return commandLine;
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
