// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import dev.flk.backend.inbox.InboxDirectory.RestoredInbox;
import dev.flk.backend.operate.cli.WalSource.Lost;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Output;
import dev.flk.program.cli.Paragraph;
import dev.flk.wal.LogRestore;
import dev.flk.wal.LogRestore.Restored;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.files.LogLockedException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The command {@code wal restore}, which restores a log from its archive into an empty directory. */
@Command(
        name = "restore",
        description = {
            "Restores a log from its archive into an empty directory.",
            "",
            "The archive is a directory with the files of WAL_ARCHIVE_COMMAND under any names,",
            "compressed or not; other files in it are ignored. Every checksum is verified. Of",
            "several copies of a segment, an intact one is used.",
            "",
            "The restored log keeps its ids, so that a shared store knows it. It continues a",
            "million sequences later, because the lost machine may have answered records that",
            "were not archived yet.",
            "",
            "If it is interrupted, run it again; no backend starts in the directory before.",
            ""
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {
            "0:restored; nothing is missing up to the end of the archive",
            "1:not restored, and no backend can start in the directory",
            "2:wrong usage",
            "3:restored without the records that are missing in the archive"
        })
final class WalRestoreCommand implements Callable<Integer> {
    private static final int WITH_GAPS = 3;

    private final WalSource source;

    @Option(names = "--from", required = true, paramLabel = "DIR", description = "Directory of the archive.")
    private Path from = Path.of(".");

    @Option(
            names = "--log",
            paramLabel = "ID",
            description = "The log to restore, 16 hex digits, if the archive contains several.")
    private @Nullable String log;

    @Option(
            names = "--new-id",
            description = "Restore without an archived inbox.mark; a shared store then receives all outcomes again,"
                    + " under a new id.")
    private boolean newId;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    WalRestoreCommand(WalSource source) {
        this.source = source;
    }

    @Override
    public Integer call() throws IOException {
        RestoredInbox inbox = restore();
        Restored restored = inbox.log();
        Output output = source.output(spec);
        output.printAll(
                "gap",
                restored.gaps().stream().map(Lost::new).toList(),
                gaps -> WalSource.damages("NOT IN THE ARCHIVE").of(restored.gaps()));
        output.printAll("lost", restored.lost().stream().map(Lost::new).toList(), lost -> "");
        if (!inbox.ignored().isEmpty()) {
            output.print(
                    "ignored",
                    new Ignored(inbox.ignored()),
                    ignored -> Paragraph.wrapped("ignored, not part of the log: "
                                    + ErrorMessages.count(ignored.files().size(), "file") + ", such as "
                                    + ignored.files().get(0))
                            + "\n");
        }
        output.print("summary", new Summary(inbox, source.directory()), summary -> asText(inbox));
        return restored.gaps().isEmpty() ? ExitCode.OK : WITH_GAPS;
    }

    private RestoredInbox restore() throws IOException {
        try {
            return source.inbox().restore(new DiskFiles(), from, log, newId, this::usedUpTo);
        } catch (LogLockedException e) {
            throw source.inUse(e, "stop it first");
        }
    }

    /** Asks the store how far the lost log got, because its archive may be behind, or was restored before. */
    private long usedUpTo(String positionId) {
        try {
            return source.usedUpTo(positionId);
        } catch (IOException e) {
            spec.commandLine()
                    .getErr()
                    .print(Paragraph.wrapped("WARNING the store can't be asked which sequences the lost log has used: "
                            + e.getMessage() + ". If more than " + LogRestore.SKIPPED + " records were not archived, or"
                            + " this archive was restored before, restore it again when the store answers."));
            return 0;
        }
    }

    private record Ignored(List<String> files) {}

    private record Summary(
            String directory,
            String logId,
            String positionId,
            boolean newId,
            int segments,
            long bytes,
            long records,
            long firstSequence,
            long lastSequence,
            long nextSequence,
            long removedUpTo,
            long decidedUpTo) {
        Summary(RestoredInbox of, Path directory) {
            this(
                    directory.toString(),
                    of.log().logId(),
                    of.positionId(),
                    of.isNewId(),
                    of.log().segments(),
                    of.log().bytes(),
                    of.log().records(),
                    of.log().first(),
                    of.log().last(),
                    of.log().next(),
                    of.removed(),
                    of.decided());
        }
    }

    private String asText(RestoredInbox inbox) {
        Restored restored = inbox.log();
        StringBuilder text = new StringBuilder();
        if (!restored.lost().isEmpty()) {
            text.append("lost before: ")
                    .append(WalSource.records(restored.lost()))
                    .append("\n");
        }
        if (inbox.decided() > restored.last()) {
            text.append("the lost machine had decided records up to ")
                    .append(inbox.decided())
                    .append("; those after ")
                    .append(restored.last())
                    .append(" were\nnot archived: if a shared store has their outcomes, no log has their bodies\n");
        }
        text.append("restored: ")
                .append(ErrorMessages.count(restored.segments(), "segment"))
                .append(", ")
                .append(ErrorMessages.count(restored.records(), "record"))
                .append(restored.records() == 0 ? "" : " (" + restored.first() + " to " + restored.last() + ")")
                .append(", ")
                .append(ErrorMessages.bytes(restored.bytes()))
                .append(" in ")
                .append(source.directory())
                .append("\nlog ")
                .append(inbox.positionId())
                .append(inbox.isNewId() ? ", a new id," : "")
                .append(" continues with record ")
                .append(restored.next())
                .append("\nstart the backend, and let each agent send again what was not archived: the"
                        + "\nbackend's log has the command 'flk-agent outbox requeue' with its times\n");
        return text.toString();
    }
}
