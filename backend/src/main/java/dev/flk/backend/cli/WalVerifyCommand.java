// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.ingest.Inbox;
import dev.flk.canonical.JsonLine;
import dev.flk.program.cli.InWords;
import dev.flk.wal.Damage;
import dev.flk.wal.DiskFiles;
import dev.flk.wal.LogInspector;
import dev.flk.wal.LogInspector.Verification;
import dev.flk.wal.TornTail;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code wal verify}: reads every record and says which are gone. */
@Command(
        name = "verify",
        description = {
            "Reads the whole log and says which records are gone, if any.",
            "",
            "The end of the log may be unfinished: being written, or cut off by a crash,",
            "and then nobody was told that it is on disk. Damage to the last records that",
            "were forced together looks the same.",
            ""
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {"0:all is there", "1:records are missing, or the log can't be read", "2:wrong usage"},
        versionProvider = BuildVersion.class,
        mixinStandardHelpOptions = true)
final class WalVerifyCommand implements Callable<Integer> {
    private static final String ROW = "%-24s %-35s %15s\n";

    @Mixin
    private final WalSource source;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    WalVerifyCommand(WalSource source) {
        this.source = source;
    }

    @Override
    public Integer call() throws IOException {
        LogInspector inspector = source.inspector();
        Verification found = verify(inspector);
        if (found.records() == 0 && found.isWhole() && inspector.isEmpty()) {
            throw source.nothingThere();
        }
        PrintWriter out = spec.commandLine().getOut();
        out.print(source.json ? asJson(found) : asText(found));
        out.flush();
        return found.isWhole() ? ExitCode.OK : ExitCode.SOFTWARE;
    }

    /** Once more if the retention of a running backend removed something meanwhile. */
    private Verification verify(LogInspector inspector) throws IOException {
        OptionalLong removed = Inbox.removedUpTo(new DiskFiles(), source.directory());
        Verification found = inspector.verify(removed.isPresent() ? removed.getAsLong() + 1 : 0);
        OptionalLong removedSince = Inbox.removedUpTo(new DiskFiles(), source.directory());
        return removedSince.equals(removed) ? found : inspector.verify(removedSince.orElse(-1) + 1);
    }

    private String asText(Verification found) {
        StringBuilder text = new StringBuilder();
        if (!found.isWhole()) {
            text.append(ROW.formatted("MISSING RECORDS", "SEGMENT", "DAMAGED AT BYTE"));
        }
        for (Damage damage : found.damages()) {
            text.append(ROW.formatted(MissingText.sequences(damage), damage.segment(), MissingText.place(damage)));
        }
        if (found.tornTail() != null) {
            text.append(asText(found.tornTail()));
        }
        String range = found.records() == 0 ? "" : " (" + found.first() + " to " + found.last() + ")";
        String end = found.tornTail() == null ? "" : " up to there";
        if (found.lost() > 0) {
            text.append("lost since a repair: ")
                    .append(found.givenUp().stream().map(MissingText::sequences).collect(Collectors.joining(", ")))
                    .append('\n');
        }
        return text.append(found.isWhole() ? "whole" + end + ": " : "damaged: ")
                .append(found.isWhole() ? "" : InWords.count(found.missing(), "record") + " missing, ")
                .append(InWords.count(found.records(), "record"))
                .append(found.isWhole() ? "" : " whole")
                .append(range)
                .append(" in ")
                .append(source.directory())
                .append('\n')
                .toString();
    }

    private static String asText(TornTail tail) {
        String behind = tail.lastWhole() == 0
                ? "being written now, or cut off by a crash"
                : "with whole records up to " + tail.lastWhole() + " behind it: cut off by a crash, or damaged";
        return "unfinished: record %d and all behind it, %s from byte %d of\n    %s\n    %s\n"
                .formatted(tail.sequence(), InWords.count(tail.bytes(), "byte"), tail.offset(), tail.segment(), behind);
    }

    private static String asJson(Verification found) {
        StringBuilder lines = new StringBuilder();
        for (Damage damage : found.damages()) {
            lines.append(new JsonLine()
                    .text("type", "damage")
                    .text("kind", damage.kind().name().toLowerCase(Locale.ROOT))
                    .text("segment", damage.segment())
                    .integer("offset", damage.offset())
                    .integer("first_missing", damage.firstMissing())
                    .integer("last_missing", damage.lastMissing())
                    .end());
        }
        for (Damage lost : found.givenUp()) {
            lines.append(new JsonLine()
                    .text("type", "lost")
                    .integer("first_lost", lost.firstMissing())
                    .integer("last_lost", lost.lastMissing())
                    .end());
        }
        TornTail tail = found.tornTail();
        if (tail != null) {
            lines.append(new JsonLine()
                    .text("type", "torn_tail")
                    .text("segment", tail.segment())
                    .integer("offset", tail.offset())
                    .integer("bytes", tail.bytes())
                    .integer("sequence", tail.sequence())
                    .integer("last_whole_sequence", tail.lastWhole())
                    .end());
        }
        return lines.append(new JsonLine()
                        .text("type", "summary")
                        .truth("whole", found.isWhole())
                        .integer("records", found.records())
                        .integer("first_sequence", found.first())
                        .integer("last_sequence", found.last())
                        .integer("missing", found.missing())
                        .integer("lost", found.lost())
                        .end())
                .toString();
    }
}
