// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import static dev.flk.program.cli.OptionText.parsed;

import com.fasterxml.jackson.annotation.JsonIgnore;
import dev.flk.backend.config.BackendConfig.LogRules;
import dev.flk.backend.inbox.LogCompaction;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Output;
import dev.flk.program.cli.Table;
import dev.flk.program.config.Quantities;
import dev.flk.wal.Retention.Done;
import dev.flk.wal.Retention.Due;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.files.FileOps.FileStatus;
import java.io.Closeable;
import java.io.IOException;
import java.io.PrintWriter;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The command {@code wal compact}, which compresses and removes closed segments of a stopped backend. */
@Command(
        name = "compact",
        description = {
            "Compresses closed segments and removes old ones; the backend must be stopped.",
            "",
            "It removes segments that are past the retention and decided. A running backend",
            "does the same by itself.",
            "",
            "It never removes the newest segment, one that may not be decided, or one that",
            "is not archived although the log has an archive.",
            ""
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {
            "0:done, or nothing to do",
            "1:it failed, or it is not known whether old segments are decided",
            "2:wrong usage"
        })
final class WalCompactCommand implements Callable<Integer> {
    private static final Table<Compacted> TABLE = new Table<Compacted>()
            .left("", 10, Compacted::done)
            .left("SEGMENT", 38, Compacted::segment)
            .right("BEFORE", 11, segment -> ErrorMessages.bytes(segment.bytesBefore()))
            .right(
                    "AFTER",
                    11,
                    segment -> segment.bytesAfter() == null || segment.bytesAfter() == 0
                            ? "-"
                            : ErrorMessages.bytes(segment.bytesAfter()));

    private final WalSource source;

    @Option(
            names = "--retention",
            paramLabel = "AGE",
            description = "Remove segments that were closed this long ago, such as 30d (default: WAL_RETENTION).")
    private @Nullable String retention;

    @Option(
            names = "--compress-after",
            paramLabel = "AGE",
            defaultValue = "1d",
            description = "Compress segments that were closed this long ago (default: ${DEFAULT-VALUE}).")
    private String compressAfter = "1d";

    @Option(names = "--dry-run", description = "Print the plan and change nothing.")
    private boolean dryRun;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    WalCompactCommand(WalSource source) {
        this.source = source;
    }

    @Override
    public Integer call() throws IOException {
        LogRules rules = source.rules();
        Duration keep =
                retention == null ? rules.walRetention() : parsed(spec, "--retention", retention, Quantities::duration);
        if (keep.compareTo(rules.dedupTtl()) < 0) {
            throw new ParameterException(
                    spec.commandLine(),
                    "--retention: shorter than DEDUP_TTL, so the log could not rebuild the store; give at least the"
                            + " time of DEDUP_TTL");
        }
        source.requireLog();
        Duration after = parsed(spec, "--compress-after", compressAfter, Quantities::duration);
        Closeable lock = dryRun ? () -> {} : source.lock("a running backend does this by itself");
        try {
            return compact(new LogCompaction(new DiskFiles(), source.directory(), after, keep, InstantSource.system()));
        } finally {
            lock.close();
        }
    }

    private record Compacted(
            @JsonIgnore String done,
            String segment,
            long firstSequence,
            long lastSequence,
            long bytesBefore,
            @Nullable Long bytesAfter) {}

    private record Summary(
            boolean dryRun,
            long removed,
            long compressed,
            long keptUndecided,
            @Nullable Long decidedUpTo,
            long keptUnarchived,
            @Nullable Long archivedUpTo,
            @Nullable Long bytesFreed) {}

    private int compact(LogCompaction compaction) throws IOException {
        List<Due> plan = compaction.plan();
        List<Due> undecided = compaction.undecided();
        List<Due> unarchived = compaction.unarchived();
        Output output = source.output(spec);
        output.note(plan.isEmpty() ? "" : TABLE.heading());
        long freed = 0;
        for (Due due : plan) {
            long before = bytes(due.segment());
            if (!dryRun && !compaction.step()) {
                throw new IOException("the log has changed, and segment " + due.segment()
                        + " needs no work any more; run the command again");
            }
            boolean isRemoved = due.what() == Done.REMOVED;
            long left = dryRun || isRemoved ? 0 : bytes(due.segment() + ".gz");
            freed += before - left;
            String done = (isRemoved ? "remove" : "compress") + (dryRun ? "" : isRemoved ? "d" : "ed");
            output.print(
                    due.what().name().toLowerCase(Locale.ROOT),
                    new Compacted(done, due.segment(), due.first(), due.last(), before, dryRun ? null : left),
                    TABLE::row);
            spec.commandLine().getOut().flush();
        }
        long removed = plan.stream().filter(due -> due.what() == Done.REMOVED).count();
        OptionalLong decided = compaction.decidedUpTo();
        OptionalLong archived = compaction.archivedUpTo();
        output.print(
                "summary",
                new Summary(
                        dryRun,
                        removed,
                        plan.size() - removed,
                        undecided.size(),
                        decided.isPresent() ? decided.getAsLong() : null,
                        unarchived.size(),
                        archived.isPresent() ? archived.getAsLong() : null,
                        dryRun ? null : freed),
                summary -> asText(summary));
        if (!unarchived.isEmpty()) {
            report(
                    unarchived,
                    "kept: not archived; a backend with WAL_ARCHIVE_COMMAND archives them, and one without it no longer"
                            + " waits for an archive");
        }
        return undecided.isEmpty() ? ExitCode.OK : reportKept(compaction, undecided);
    }

    private String asText(Summary done) {
        long segments = done.removed() + done.compressed();
        return (segments == 0
                        ? "nothing to do"
                        : done.bytesFreed() == null
                                ? ErrorMessages.count(segments, "segment") + " would be compressed or removed"
                                : ErrorMessages.bytes(done.bytesFreed()) + " freed")
                + " in " + source.directory() + "\n";
    }

    /**
     * Reports segments that are kept although they are past the retention, and returns the exit code. The exit code
     * reports a failure only if {@code inbox.mark} is missing or damaged, because it is then unknown which records are
     * decided.
     */
    private int reportKept(LogCompaction compaction, List<Due> undecided) {
        boolean known = compaction.decidedUpTo().isPresent();
        report(
                undecided,
                known
                        ? "kept: not all of their records are decided; a backend decides them at its next start"
                        : "kept: inbox.mark is missing or damaged, so it is not known which records are decided; start"
                                + " the backend, which writes it again");
        return known ? ExitCode.OK : ExitCode.SOFTWARE;
    }

    private void report(List<Due> kept, String why) {
        PrintWriter err = spec.commandLine().getErr();
        err.println(CommandLineProgram.NAME + ": " + ErrorMessages.count(kept.size(), "segment")
                + " past the retention, from " + kept.get(0).segment() + " on, " + why);
    }

    private long bytes(String segment) throws IOException {
        return new DiskFiles()
                .status(source.directory().resolve(segment))
                .map(FileStatus::bytes)
                .orElse(0L);
    }
}
