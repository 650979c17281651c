// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.ingest.Inbox;
import dev.flk.canonical.JsonLine;
import dev.flk.program.cli.InWords;
import dev.flk.wal.LogInspector.LogListing;
import dev.flk.wal.LogInspector.LogListing.OtherFile;
import dev.flk.wal.SegmentSummary;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code wal ls}: the segments, and what else stands beside them. */
@Command(
        name = "ls",
        description = {
            "Lists the segments of the log, oldest first.",
            "",
            "  newest      appended to, or gone on from at the next start",
            "  complete    gone on from by the next segment",
            "  failed      a write or force failed behind its last record",
            "  superseded  later segments repeat all that counted in it",
            "  detached    the segment that went on from it is missing",
            "",
            "Whether the records are whole is for wal verify to say.",
            ""
        },
        versionProvider = BuildVersion.class,
        mixinStandardHelpOptions = true)
final class WalLsCommand implements Callable<Integer> {
    private static final String ROW = "%-35s %-10s %11s %11s %9s\n";

    @Mixin
    private final WalSource source;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    WalLsCommand(WalSource source) {
        this.source = source;
    }

    @Override
    public Integer call() throws IOException {
        LogListing listing = source.inspector().list();
        if (listing.isEmpty()) {
            throw source.nothingThere();
        }
        PrintWriter out = spec.commandLine().getOut();
        out.print(source.json ? asJson(listing) : asTable(listing));
        out.flush();
        return ExitCode.OK;
    }

    private String asTable(LogListing listing) {
        StringBuilder table = new StringBuilder(ROW.formatted("SEGMENT", "STATE", "FIRST", "LAST", "SIZE"));
        for (SegmentSummary segment : listing.segments()) {
            boolean counts = segment.records() > 0;
            table.append(ROW.formatted(
                    segment.name(),
                    lowerCase(segment.state()),
                    counts ? segment.first() : "-",
                    counts ? segment.end() - 1 : "-",
                    InWords.bytes(segment.bytes())));
        }
        long records =
                listing.segments().stream().mapToLong(SegmentSummary::records).sum();
        long bytes =
                listing.segments().stream().mapToLong(SegmentSummary::bytes).sum();
        table.append("%s, %s, %s in %s\n"
                .formatted(
                        InWords.count(listing.segments().size(), "segment"),
                        InWords.count(records, "record"),
                        InWords.bytes(bytes),
                        source.directory()));
        for (OtherFile other : listing.others()) {
            table.append("\n%s\n    %s\n".formatted(other.name(), meaning(other)));
        }
        return table.toString();
    }

    private static String meaning(OtherFile other) {
        if (other.name().equals(Inbox.MARK_FILE)) {
            return "how far the log is decided";
        }
        return switch (other.kind()) {
            case BROKEN_HEADER -> "a segment with a broken header: its records are lost, see wal verify";
            case NO_SEGMENT -> "no segment, though it is named somewhat like one: no header and no records";
            case SET_ASIDE -> "set aside by a start or a repair: what was cut off, broken, or in the way";
            case OPENING -> "a segment that is being opened, or was when its backend ended";
            case LOSSES -> "declares the records that a repair gave up";
            case FOREIGN -> "does not belong to the log";
        };
    }

    private static String asJson(LogListing listing) {
        StringBuilder lines = new StringBuilder();
        for (SegmentSummary segment : listing.segments()) {
            lines.append(new JsonLine()
                    .text("type", "segment")
                    .text("name", segment.name())
                    .integer("ordinal", segment.ordinal())
                    .text("state", lowerCase(segment.state()))
                    .integer("first_sequence", segment.first())
                    .integer("next_sequence", segment.next())
                    .integer("end_sequence", segment.end())
                    .integer("records", segment.records())
                    .integer("carried", segment.carried())
                    .integer("bytes", segment.bytes())
                    .text("opened", InWords.time(segment.openedMillis()))
                    .text("context", segment.context())
                    .end());
        }
        for (OtherFile other : listing.others()) {
            lines.append(new JsonLine()
                    .text("type", "file")
                    .text("name", other.name())
                    .text("kind", other.name().equals(Inbox.MARK_FILE) ? "mark" : lowerCase(other.kind()))
                    .end());
        }
        return lines.toString();
    }

    private static String lowerCase(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT);
    }
}
