// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import dev.flk.backend.copy.CopyReading;
import dev.flk.backend.copy.CopyReading.CopyUnreadableException;
import dev.flk.backend.operate.cli.WalSource.Lost;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Output;
import dev.flk.wal.LogRepair;
import dev.flk.wal.LogRepair.Repair;
import dev.flk.wal.LogRepair.Repair.NotTaken;
import dev.flk.wal.LogRepair.Repair.SetAside;
import dev.flk.wal.LogRepair.Repair.Taken;
import dev.flk.wal.SegmentArchive;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.files.LogLockedException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The command {@code wal repair}, which repairs a damaged log so that a backend can start. */
@Command(
        name = "repair",
        description = {
            "Repairs a damaged log so that a backend can start again.",
            "",
            "It reports exactly which records are lost. The backend must be stopped.",
            "",
            "It deletes nothing: each damaged file is first copied to a .broken file. All",
            "complete records keep their sequences. A file inbox-lost-N declares the lost",
            "records, so that they are not reported as new damage. If a segment was moved",
            "away, put it back instead, and nothing is lost.",
            "",
            "With --from, it first takes what is damaged or missing from archived copies of",
            "the segments, whatever their names, if the checksums fit. With LOG_COPY=kafka, it",
            "does the same from the copy in Kafka, to which it writes nothing.",
            ""
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {"0:repaired, or nothing to do", "1:the log could not be repaired", "2:wrong usage"})
final class WalRepairCommand implements Callable<Integer> {
    private final WalSource source;

    @Option(names = "--dry-run", description = "Print the plan and change nothing.")
    private boolean dryRun;

    @Option(names = "--from", paramLabel = "DIR", description = "Directory of the archive, used instead of the copy.")
    private @Nullable Path from;

    @Option(names = "--without-copy", description = "With LOG_COPY: do not read the copy, because brokers are away.")
    private boolean withoutCopy;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    WalRepairCommand(WalSource source) {
        this.source = source;
    }

    @Override
    public Integer call() throws IOException {
        if (dryRun && from != null) {
            throw new ParameterException(
                    spec.commandLine(),
                    "--dry-run and --from: the plan can't include the archive; use only one of them");
        }
        source.requireLog();
        LogRepair repair = source.repair();
        CopyReading copy = from != null || withoutCopy ? null : source.copy().orElse(null);
        Repair done = dryRun ? repair.plan() : run(repair, copy);
        String origin = copy == null ? "the archive" : "the copy in the topic " + copy.topic();
        Output output = source.output(spec);
        for (Taken taken : done.taken()) {
            output.print("taken", taken, each -> asText(each, origin));
        }
        for (NotTaken none : done.notTaken()) {
            output.print("not_taken", new Lacking(none.segment(), none.isArchived()), each -> asText(each, origin));
        }
        if (dryRun && copy != null && done.isNeeded()) {
            for (InCopy each : inCopy(repair, copy)) {
                output.print("in_copy", each, found -> asText(found, origin));
            }
        }
        output.printAll(
                "lost",
                done.lost().stream().map(Lost::new).toList(),
                lost -> WalSource.damages("LOST RECORDS").of(done.lost()));
        for (SetAside aside : done.setAside()) {
            output.print(
                    "set_aside",
                    new KeptFile(aside.segment(), aside.as(), Math.max(0, aside.kept())),
                    kept -> asText(aside));
        }
        output.print(
                "summary",
                new Repaired(dryRun, done.isNeeded(), done.missing(), done.declaredIn()),
                repaired -> (done.setAside().isEmpty() && done.taken().isEmpty() ? "" : "\n")
                        + asText(done, dryRun && copy != null));
        return ExitCode.OK;
    }

    /**
     * A damaged or missing segment before its repair.
     *
     * @param copied the number of bytes of it in the copy
     */
    private record InCopy(String segment, long copied) {}

    private static List<InCopy> inCopy(LogRepair repair, CopyReading copy) throws IOException {
        List<InCopy> found = new ArrayList<>();
        Map<String, Long> copied = reading(copy::segments);
        repair.wanted().forEach((id, name) -> found.add(new InCopy(name, copied.getOrDefault(id, 0L))));
        return found;
    }

    private record Lacking(String segment, boolean archived) {}

    private interface Reading<T> {
        T run() throws IOException;
    }

    private static <T> T reading(Reading<T> copy) throws IOException {
        try {
            return copy.run();
        } catch (CopyUnreadableException e) {
            throw new IOException(
                    e.getMessage() + ". Nothing was changed. Try again when the brokers answer; what only the copy has"
                            + " is declared lost if you repair with --without-copy",
                    e);
        }
    }

    private record KeptFile(String segment, @Nullable String as, long keptRecords) {}

    private record Repaired(
            boolean dryRun,
            boolean needed,
            long lost,
            @Nullable String declaredIn) {}

    private Repair run(LogRepair repair, @Nullable CopyReading copy) throws IOException {
        try {
            if (copy == null) {
                return repair.run(from == null ? null : SegmentArchive.read(new DiskFiles(), from));
            }
            try {
                return repair.run(intact -> reading(() -> copy.take(new DiskFiles(), source.directory(), intact)));
            } finally {
                copy.removeTaken();
            }
        } catch (LogLockedException e) {
            throw source.inUse(e, "stop it first");
        }
    }

    private static String asText(InCopy found, String origin) {
        return found.copied() == 0
                ? asText(new Lacking(found.segment(), false), origin)
                : "\n%s\n    %s\n    has %s of it; the repair takes the records whose checksums fit\n"
                        .formatted(found.segment(), origin, ErrorMessages.bytes(found.copied()));
    }

    private static String asText(Lacking none, String origin) {
        return "\n%s\n    %s\n    %s\n"
                .formatted(
                        none.segment(),
                        origin,
                        none.archived()
                                ? "lacks the same records, or they fail their checksums there too"
                                : "does not have this segment");
    }

    private static String asText(Taken taken, String origin) {
        return "\n%s\n    is taken from %s\n    %s\n"
                .formatted(
                        taken.segment(),
                        origin,
                        taken.as() == null ? "it was missing" : "the damaged file is kept as " + taken.as());
    }

    private String asText(SetAside aside) {
        String kept = aside.kept() < 0
                ? "its header is broken: its records can't be read"
                : ErrorMessages.count(aside.kept(), "complete record") + " of it "
                        + (aside.kept() == 1 ? "stays" : "stay") + " in the log";
        return "\n%s\n    %s %s\n    %s\n"
                .formatted(
                        aside.segment(),
                        dryRun ? "would be copied to" : "is kept as",
                        Objects.requireNonNullElse(aside.as(), aside.segment() + ".broken"),
                        kept);
    }

    private String asText(Repair done, boolean withoutCopy) {
        if (!done.isNeeded()) {
            return "nothing to do: no record is missing in " + source.directory() + "\n";
        }
        return (dryRun ? "would be repaired: " : "repaired: ")
                + WalSource.records(done.lost()) + " lost in " + source.directory()
                + (withoutCopy ? " without the copy" : "")
                + (done.declaredIn() == null ? "" : ", declared in " + done.declaredIn()) + "\n";
    }
}
