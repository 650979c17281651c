// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import java.io.InputStream;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.Map;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;

/** The command {@code flk-agent} with all of its subcommands. */
@Command(
        name = "flk-agent",
        description = {"Certifies measurements and ships the certificates to a backend,", "by way of an outbox on disk."
        },
        mixinStandardHelpOptions = true,
        versionProvider = FlkAgent.Version.class,
        scope = ScopeType.INHERIT,
        sortOptions = false,
        usageHelpWidth = 80,
        synopsisSubcommandLabel = "COMMAND")
public final class FlkAgent implements Runnable {
    private static final String[] FOOTER = {
        "",
        "Settings come from the environment, or from --config FILE with NAME=value",
        "lines; the environment wins, and NAME_FILE reads NAME from a file:",
        "  ENDPOINT  TLS_CA  TLS_CERT  TLS_KEY",
        "  PCS_SIGN_ALG  PCS_HMAC_KEY  PCS_ED25519_PRIV_B64  SHARD_ID",
        "  OUTBOX_PATH  OUTBOX_MAX_BYTES  OUTBOX_MIN_FREE_BYTES  DLQ_PATH",
        "  SPOOL_DIR  INTAKE_SOCKET  INTAKE_PORT  CONTROL_SOCKET",
        "  BASE_DELAY  MAX_DELAY  MAX_ATTEMPTS  MAX_AGE  REQUEST_TIMEOUT",
        "  MAX_IN_FLIGHT  BATCH_SIZE  METRICS_PORT",
        "  LOG_LEVEL  LOG_FORMAT",
        "",
        "Exit codes: 0 done, 1 failed, 2 usage or configuration."
    };

    private final Context context;
    private final CommandLine commandLine;

    /** With what surrounds it; the streams are expected to speak UTF-8. */
    public FlkAgent(Map<String, String> environment, InputStream in, PrintStream out, PrintStream err) {
        context = new Context(environment, in, out, err);
        commandLine = new CommandLine(this)
                .addSubcommand(new RunCommand(context))
                .addSubcommand(new CertifyCommand(context))
                .addSubcommand(new SubmitCommand(context))
                .addSubcommand(new StatusCommand(context))
                .addSubcommand(new CompactCommand(context))
                .addSubcommand(new DlqCommand(context))
                .addSubcommand(new OutboxCommand(context))
                .addSubcommand(new FsckCommand(context))
                .addSubcommand(new DoctorCommand(context))
                .addSubcommand(new DiagnosticsCommand(context))
                .addSubcommand(new KeygenCommand(context))
                .addSubcommand(new CanonicalCommand(context))
                .addSubcommand(new SignCommand(context))
                .addSubcommand(new VerifyCommand(context));
        // set here and not in the annotation, from which the subcommands would inherit it
        commandLine.getCommandSpec().usageMessage().footer(FOOTER);
        Failures failures = new Failures(context);
        commandLine
                .setOut(Streams.writer(out))
                .setErr(Streams.writer(err))
                .setParameterExceptionHandler(failures)
                .setExecutionExceptionHandler(failures);
    }

    /** Somebody looks at standard error: what is said there fits a terminal, and long commands tell how far they are. */
    public void watched() {
        context.watched();
    }

    /** Runs a command line; returns the exit code. */
    public int run(String... args) {
        return commandLine.execute(args);
    }

    CommandLine commandLine() {
        return commandLine;
    }

    @Option(
            names = "--config",
            paramLabel = "FILE",
            scope = ScopeType.INHERIT,
            description = "Properties file with settings.")
    void config(Path file) {
        context.configFile(file);
    }

    @Override
    public void run() {
        throw new CommandLine.ParameterException(commandLine, "a command is missing");
    }

    /** Reads the version from the jar. */
    static final class Version implements CommandLine.IVersionProvider {
        @Override
        public String[] getVersion() {
            String version = FlkAgent.class.getPackage().getImplementationVersion();
            return new String[] {"flk-agent " + (version == null ? "(not from a jar)" : version)};
        }
    }
}
