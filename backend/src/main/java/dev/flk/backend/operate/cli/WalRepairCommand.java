// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import dev.flk.backend.operate.cli.WalSource.Lost;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Output;
import dev.flk.wal.LogRepair;
import dev.flk.wal.LogRepair.Repair;
import dev.flk.wal.LogRepair.Repair.SetAside;
import dev.flk.wal.LogRepair.Repair.Taken;
import dev.flk.wal.SegmentArchive;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.files.LogLockedException;
import java.io.IOException;
import java.nio.file.Path;
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
            "With --from, it first replaces damaged segments by archived copies, whatever",
            "their names, if the checksums of these fit, and puts back missing segments.",
            ""
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {"0:repaired, or nothing to do", "1:the log could not be repaired", "2:wrong usage"})
final class WalRepairCommand implements Callable<Integer> {
    private final WalSource source;

    @Option(names = "--dry-run", description = "Print the plan and change nothing.")
    private boolean dryRun;

    @Option(names = "--from", paramLabel = "DIR", description = "Directory of the archive.")
    private @Nullable Path from;

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
        Repair done = dryRun ? repair.plan() : run(repair);
        Output output = source.output(spec);
        for (Taken taken : done.taken()) {
            output.print("taken", taken, WalRepairCommand::asText);
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
                repaired -> (done.setAside().isEmpty() && done.taken().isEmpty() ? "" : "\n") + asText(done));
        return ExitCode.OK;
    }

    private record KeptFile(String segment, @Nullable String as, long keptRecords) {}

    private record Repaired(
            boolean dryRun,
            boolean needed,
            long lost,
            @Nullable String declaredIn) {}

    private Repair run(LogRepair repair) throws IOException {
        try {
            return repair.run(from == null ? null : SegmentArchive.read(new DiskFiles(), from));
        } catch (LogLockedException e) {
            throw source.inUse(e, "stop it first");
        }
    }

    private static String asText(Taken taken) {
        return "\n%s\n    is taken from the archive\n    %s\n"
                .formatted(
                        taken.segment(),
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

    private String asText(Repair done) {
        if (!done.isNeeded()) {
            return "nothing to do: no record is missing in " + source.directory() + "\n";
        }
        return (dryRun ? "would be repaired: " : "repaired: ")
                + WalSource.records(done.lost()) + " lost in " + source.directory()
                + (done.declaredIn() == null ? "" : ", declared in " + done.declaredIn()) + "\n";
    }
}
