// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Json;
import dev.flk.wal.LogRepair;
import dev.flk.wal.LogRepair.Repair;
import dev.flk.wal.LogRepair.Repair.SetAside;
import dev.flk.wal.files.LogLockedException;
import dev.flk.wal.segment.Damage;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
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
            ""
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {"0:repaired, or nothing to do", "1:the log could not be repaired", "2:wrong usage"})
final class WalRepairCommand implements Callable<Integer> {
    private final WalSource source;

    @Option(names = "--dry-run", description = "Print the plan and change nothing.")
    private boolean dryRun;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    WalRepairCommand(WalSource source) {
        this.source = source;
    }

    @Override
    public Integer call() throws IOException {
        source.requireLog();
        LogRepair repair = source.repair();
        Repair done = dryRun ? repair.plan() : run(repair);
        PrintWriter out = spec.commandLine().getOut();
        out.print(source.json ? asJson(done) : asText(done));
        out.flush();
        return ExitCode.OK;
    }

    private Repair run(LogRepair repair) throws IOException {
        try {
            return repair.run();
        } catch (LogLockedException e) {
            throw source.inUse(e, "stop it first");
        }
    }

    private String asText(Repair done) {
        if (!done.isNeeded()) {
            return "nothing to do: no record is missing in " + source.directory() + "\n";
        }
        StringBuilder text = new StringBuilder();
        if (!done.lost().isEmpty()) {
            text.append(WalCommand.DAMAGE_ROW.formatted("LOST RECORDS", "SEGMENT", "DAMAGED AT BYTE"));
        }
        for (Damage lost : done.lost()) {
            text.append(
                    WalCommand.DAMAGE_ROW.formatted(WalSource.sequences(lost), lost.segment(), WalSource.place(lost)));
        }
        for (SetAside aside : done.setAside()) {
            text.append("\n%s\n".formatted(aside.segment()));
            text.append("    %s %s\n".formatted(dryRun ? "would be copied to" : "is kept as", copyOf(aside)));
            text.append(
                    aside.kept() < 0
                            ? "    its header is broken: its records can't be read\n"
                            : "    %s of it %s in the log\n"
                                    .formatted(
                                            ErrorMessages.count(aside.kept(), "whole record"),
                                            aside.kept() == 1 ? "stays" : "stay"));
        }
        text.append(done.setAside().isEmpty() ? "" : "\n");
        text.append(dryRun ? "would be repaired: " : "repaired: ");
        text.append(ErrorMessages.count(done.missing(), "record"))
                .append(" lost in ")
                .append(source.directory());
        if (done.declaredIn() != null) {
            text.append(", declared in ").append(done.declaredIn());
        }
        return text.append('\n').toString();
    }

    private static String copyOf(SetAside aside) {
        return aside.as() == null ? aside.segment() + ".broken" : aside.as();
    }

    private record LostLine(
            String type, Damage.Kind kind, String segment, long offset, long firstLost, long lastLost) {}

    private record SetAsideLine(
            String type, String segment, @Nullable String as, long keptRecords) {}

    private record Summary(
            String type,
            boolean dryRun,
            boolean needed,
            long lost,
            @Nullable String declaredIn) {}

    private String asJson(Repair done) {
        StringBuilder lines = new StringBuilder();
        for (Damage lost : done.lost()) {
            lines.append(Json.line(new LostLine(
                    "lost", lost.kind(), lost.segment(), lost.offset(), lost.firstMissing(), lost.lastMissing())));
        }
        for (SetAside aside : done.setAside()) {
            lines.append(
                    Json.line(new SetAsideLine("set_aside", aside.segment(), aside.as(), Math.max(0, aside.kept()))));
        }
        return lines.append(
                        Json.line(new Summary("summary", dryRun, done.isNeeded(), done.missing(), done.declaredIn())))
                .toString();
    }
}
