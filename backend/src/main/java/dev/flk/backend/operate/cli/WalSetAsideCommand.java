// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import dev.flk.backend.copy.CopyReading;
import dev.flk.backend.copy.CopyReading.CopyUnreadableException;
import dev.flk.backend.copy.CopyReading.Difference;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.IoMessages;
import dev.flk.program.cli.Paragraph;
import dev.flk.wal.files.DiskFiles;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The command {@code wal set-aside}, which makes room for the log that the copy has. */
@Command(
        name = "set-aside",
        description = {
            "Moves a log aside that its copy in Kafka replaces.",
            "",
            "With LOG_COPY=kafka, a backend does not start if another one owns its log, if the",
            "log and its copy continue differently, or if the copy has what the log lacks,",
            "because an older disk was put back. This command counts the records that only",
            "this disk has, and renames the directory to DIR.aside-TIME; it deletes nothing.",
            "The next start takes the log from the copy. The backend must be stopped.",
            "",
            "The senders of these records got 503 or no answer, so they have sent them again.",
            "If some of them may have been answered, because the topic has lost entries or",
            "because of LOG_COPY_REQUIRED=off, --answered must confirm it.",
            ""
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {"0:set aside", "1:not set aside, and nothing was changed", "2:wrong usage or configuration"})
final class WalSetAsideCommand implements Callable<Integer> {
    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("uuuuMMdd'T'HHmmss'Z'", Locale.ROOT).withZone(ZoneOffset.UTC);

    private final WalSource source;
    private final InstantSource clock;

    @Option(names = "--dry-run", description = "Count, and change nothing.")
    private boolean dryRun;

    @Option(
            names = "--without-copy",
            description = "Do not read the copy, because brokers are away; the count is then an estimate.")
    private boolean withoutCopy;

    @Option(names = "--answered", description = "Also if records may have been answered that the copy lacks.")
    private boolean answered;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    WalSetAsideCommand(WalSource source, InstantSource clock) {
        this.source = source;
        this.clock = clock;
    }

    @Override
    public Integer call() throws IOException {
        CopyReading copy = source.copy()
                .orElseThrow(() -> new ParameterException(
                        spec.commandLine(),
                        source.isInbox()
                                ? "LOG_COPY is off: there is no copy from which a start could take the log; name the"
                                        + " configuration with --config"
                                : source.directory() + " is the state's log, which has no copy"));
        source.requireLog();
        Closeable lock = source.lock("stop it first");
        Done done;
        try {
            done = setAside(copy);
        } finally {
            lock.close();
        }
        source.output(spec).print("summary", done, each -> asText(each, copy));
        return ExitCode.OK;
    }

    private record Done(
            boolean dryRun,
            String directory,
            String aside,
            long records,
            long firstSequence,
            long lastSequence,
            boolean compared,
            @Nullable String owner,
            @Nullable String lost) {}

    private Done setAside(CopyReading copy) throws IOException {
        DiskFiles files = new DiskFiles();
        Path directory = source.directory().toRealPath();
        Difference found;
        try {
            found = withoutCopy ? CopyReading.notKnownToBeCopied(files, directory) : copy.compare(files, directory);
        } catch (CopyUnreadableException e) {
            throw new IOException(
                    e.getMessage() + ". Nothing was changed. Try again when the brokers answer; --without-copy sets the"
                            + " log aside all the same",
                    e);
        }
        if (!dryRun && !answered && found.records() > 0) {
            requireUnanswered(copy, found);
        }
        Path aside = directory.resolveSibling(directory.getFileName() + ".aside-"
                + TIME.format(clock.instant().truncatedTo(ChronoUnit.SECONDS)));
        if (!dryRun) {
            move(files, directory, aside);
        }
        return new Done(
                dryRun,
                source.directory().toString(),
                aside.toString(),
                found.records(),
                found.first(),
                found.last(),
                !withoutCopy,
                found.owner().orElse(null),
                found.lost().orElse(null));
    }

    private static void requireUnanswered(CopyReading copy, Difference found) throws IOException {
        String why = found.lost().isPresent()
                ? found.lost().get()
                : copy.isRequired() ? "" : "LOG_COPY_REQUIRED is off, so answers did not wait for the copy";
        if (!why.isEmpty()) {
            throw new IOException("the copy lacks " + records(found.records(), found.first(), found.last())
                    + ", some of which may have been answered: " + why
                    + ". Nothing was changed. --answered sets them aside all the same");
        }
    }

    private static void move(DiskFiles files, Path directory, Path aside) throws IOException {
        if (Files.exists(aside)) {
            throw new IOException(aside + " exists; try again");
        }
        try {
            files.move(directory, aside);
        } catch (IOException e) {
            throw new IOException(
                    IoMessages.describe(e) + ". Nothing was changed. A directory on a volume of its own can't be"
                            + " renamed: move its files away by hand",
                    e);
        }
        Path parent = aside.getParent();
        if (parent != null) {
            files.forceDirectory(parent);
        }
    }

    private static String records(long records, long first, long last) {
        return ErrorMessages.count(records, "record")
                + (records == 0 ? "" : records == 1 ? " (" + first + ")" : " (" + first + " to " + last + ")");
    }

    private static String asText(Done done, CopyReading copy) {
        String records = records(done.records(), done.firstSequence(), done.lastSequence());
        StringBuilder text = new StringBuilder();
        if (!done.compared()) {
            text.append(Paragraph.wrapped("only this disk may have " + records + ", by what it knows of the topic "
                    + copy.topic() + ", which was not read"));
        } else if (done.records() == 0) {
            text.append(Paragraph.wrapped("the copy in the topic " + copy.topic() + " has all records of this disk"));
        } else {
            text.append(Paragraph.wrapped("only this disk has " + records + "; the copy in the topic " + copy.topic()
                    + " has everything before"));
        }
        if (done.records() > 0 && done.lost() != null) {
            text.append(Paragraph.wrapped("some records may have been answered: " + done.lost()));
        } else if (done.compared() && done.records() > 0 && copy.isRequired()) {
            text.append("they were answered with 503 or not at all, so nothing was promised\n");
        }
        text.append('\n')
                .append(done.directory())
                .append(done.dryRun() ? "\n    would be set aside as\n    " : "\n    is set aside as\n    ")
                .append(done.aside())
                .append("\n\n");
        if (done.owner() != null) {
            text.append(Paragraph.wrapped(done.owner())).append('\n');
        }
        return text.append(Paragraph.wrapped("the next start takes the log from the copy; to keep this machine out of"
                        + " it, give it another LOG_NAME"))
                .toString();
    }
}
