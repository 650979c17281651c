// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import dev.flk.wal.files.LogLockedException;
import java.io.IOException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The command {@code wal init}, which makes an empty directory a new log on purpose. */
@Command(
        name = "init",
        description = {
            "Makes an empty directory a new log, on purpose.",
            "",
            "A backend does not start in an empty directory if the store knows a log of its",
            "LOG_NAME, or if WAL_ARCHIVE_COMMAND is set: the log may be missing by accident.",
            "If that log is lost for good and has no archive, if you want another log, or if",
            "the backend is new, this command says so. To bring back a log from its archive,",
            "use wal restore instead.",
            ""
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {"0:the directory is a new log", "1:it contains files of a log, or is in use", "2:wrong usage"})
final class WalInitCommand implements Callable<Integer> {
    private final WalSource source;

    @Option(names = "--new", description = "Confirm that the log is new.")
    private boolean isNew;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    WalInitCommand(WalSource source) {
        this.source = source;
    }

    @Override
    public Integer call() throws IOException {
        if (!isNew) {
            throw new ParameterException(
                    spec.commandLine(), "--new is missing; to bring back a log from its archive, use wal restore");
        }
        try {
            String id = source.inbox().createLog();
            source.output(spec)
                    .print(
                            "log",
                            new NewLog(source.directory().toString(), id),
                            log -> "new log " + log.positionId() + "\n    in " + log.directory() + "\n");
            return ExitCode.OK;
        } catch (LogLockedException e) {
            throw source.inUse(e, "stop it first");
        }
    }

    private record NewLog(String directory, String positionId) {}
}
