// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.csv.CsvRows.MalformedCsv;
import dev.flk.agent.outbox.Outbox.OutboxLocked;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.program.cli.IoMessages;
import dev.flk.program.cli.Subcommands;
import dev.flk.program.cli.TypedPaths;
import dev.flk.program.config.InvalidConfig;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.InvalidPathException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;

/**
 * The translation of failures into error messages and exit codes: 2 for mistakes in usage or configuration and for an
 * outbox that another process owns, 1 for all other failures.
 */
final class Failures implements CommandLine.IParameterExceptionHandler, CommandLine.IExecutionExceptionHandler {
    private static final Logger LOG = LoggerFactory.getLogger(Failures.class);

    private final Context context;

    Failures(Context context) {
        this.context = context;
    }

    @Override
    public int handleParseException(ParameterException e, String[] args) {
        CommandLine command = e.getCommandLine();
        say(e.getMessage());
        if (!Subcommands.printSuggestions(e, command.getErr())) {
            offerHelp(command);
        }
        return ExitCode.USAGE;
    }

    private void offerHelp(CommandLine command) {
        context.err().println("Try: " + command.getCommandSpec().qualifiedName() + " --help");
    }

    @Override
    public int handleExecutionException(Exception e, CommandLine command, ParseResult parsed) {
        if (e instanceof UsageError) {
            say(e.getMessage());
            offerHelp(command);
            return ExitCode.USAGE;
        }
        if (e instanceof InvalidPathException name) {
            say(TypedPaths.describe(name));
            return ExitCode.USAGE;
        }
        if (e instanceof InvalidConfig config) {
            config.problems().forEach(this::say);
            return ExitCode.USAGE;
        }
        if (e instanceof OutboxLocked) {
            say(e.getMessage());
            return ExitCode.USAGE;
        }
        if (e instanceof MalformedCsv || e instanceof MalformedCertificate) {
            say(e.getMessage());
        } else if (e instanceof IOException io) {
            say(IoMessages.describe(io));
        } else if (e instanceof UncheckedIOException && e.getCause() instanceof IOException io) {
            say(IoMessages.describe(io));
        } else {
            say("internal error: " + e);
            LOG.debug("unexpected error", e);
        }
        return ExitCode.SOFTWARE;
    }

    private void say(@Nullable String what) {
        context.complain(String.valueOf(what));
    }
}
