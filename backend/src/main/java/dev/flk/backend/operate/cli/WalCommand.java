// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.flk.backend.decide.RecordKind;
import dev.flk.backend.decide.RecordKind.LoggedId;
import dev.flk.backend.inbox.Inbox;
import dev.flk.backend.inbox.Inbox.Marked;
import dev.flk.backend.operate.cli.WalSource.Lost;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.certificate.PcsId;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Output;
import dev.flk.program.cli.Paragraph;
import dev.flk.program.cli.Printable;
import dev.flk.program.cli.Table;
import dev.flk.wal.LogInspector;
import dev.flk.wal.LogInspector.LogListing;
import dev.flk.wal.LogInspector.LogListing.OtherFile;
import dev.flk.wal.LogInspector.SegmentSummary;
import dev.flk.wal.LogInspector.Verification;
import dev.flk.wal.StartReport;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.Damage.TornTail;
import dev.flk.wal.segment.DeclaredLosses;
import dev.flk.wal.segment.LogReader.LogWalk;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.time.InstantSource;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * The command {@code wal}. Its subcommands {@code replay}, {@code compact}, {@code repair}, {@code restore}, {@code
 * init} and {@code set-aside} have their own classes.
 */
@Command(
        name = "wal",
        description = {
            "Commands about the inbox log.",
            "",
            "ls, verify, cat and replay only read, and may run while a backend does. Stop the",
            "backend before repair, compact and set-aside; start it after restore and init.",
            ""
        })
final class WalCommand {
    private static final Table<Segment> SEGMENTS = new Table<Segment>()
            .left("SEGMENT", Segment::name)
            .left("STATE", segment -> lowerCase(segment.state()))
            .right("FIRST", segment -> segment.records() == 0 ? "-" : segment.firstSequence())
            .right("LAST", segment -> segment.records() == 0 ? "-" : segment.endSequence() - 1)
            .right("SIZE", segment -> ErrorMessages.bytes(segment.bytes()));
    private static final Table<PrintedRecord> RECORDS = new Table<PrintedRecord>()
            .right("SEQUENCE", 11, PrintedRecord::sequence)
            .left("ARRIVED", 24, PrintedRecord::arrived)
            .left("KIND", 10, PrintedRecord::kind)
            .right("BODY", 9, record -> ErrorMessages.bytes(record.bytes()))
            .left("KEY", PrintedRecord::keyId);
    private static final String SECOND_LINE = " ".repeat(13);

    /**
     * The number of records after which {@code cat} checks again whether the reader of its output has closed the pipe.
     */
    private static final int RECORDS_BETWEEN_CHECKS = 1_000;

    @Mixin
    private final WalSource source;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    private WalCommand(WalSource source) {
        this.source = source;
    }

    /** Returns the command with its subcommands, all of which share the options in {@code source}. */
    static CommandLine with(WalSource source, InstantSource clock) {
        return new CommandLine(new WalCommand(source))
                .addSubcommand(new WalReplayCommand(source))
                .addSubcommand(new WalCompactCommand(source))
                .addSubcommand(new WalRepairCommand(source))
                .addSubcommand(new WalRestoreCommand(source))
                .addSubcommand(new WalInitCommand(source))
                .addSubcommand(new WalSetAsideCommand(source, clock));
    }

    @Command(
            name = "ls",
            description = {
                "Lists the segments of the log, oldest first.",
                "",
                "  newest      is appended to, or will be continued at the next start",
                "  complete    is continued by the next segment",
                "  failed      a write or an fsync failed after its last record",
                "  superseded  later segments repeat all its valid records",
                "  detached    the segment that continues it is missing",
                "",
                "It does not check the records; wal verify does.",
                ""
            })
    void ls() throws IOException {
        LogListing listing = source.inspector().list();
        if (listing.isEmpty()) {
            throw source.nothingThere();
        }
        Output output = source.output(spec);
        List<Segment> segments = listing.segments().stream().map(Segment::new).toList();
        output.printAll("segment", segments, SEGMENTS::of);
        output.note("%s, %s, %s in %s\n"
                .formatted(
                        ErrorMessages.count(segments.size(), "segment"),
                        ErrorMessages.count(
                                segments.stream().mapToLong(Segment::records).sum(), "record"),
                        ErrorMessages.bytes(
                                segments.stream().mapToLong(Segment::bytes).sum()),
                        source.directory()));
        for (OtherFile other : listing.others()) {
            output.print(
                    "file",
                    new NamedFile(other.name(), kind(other)),
                    file -> "\n" + Paragraph.wrapped(file.name() + "\n    " + meaning(other)));
        }
    }

    private record Segment(
            String name,
            long ordinal,
            SegmentSummary.State state,
            long firstSequence,
            long nextSequence,
            long endSequence,
            long records,
            long carried,
            long bytes,
            String opened,
            String context) {
        Segment(SegmentSummary of) {
            this(
                    of.name(),
                    of.ordinal(),
                    of.state(),
                    of.first(),
                    of.next(),
                    of.end(),
                    of.records(),
                    of.carried(),
                    of.bytes(),
                    ErrorMessages.time(of.openedMillis()),
                    of.context());
        }
    }

    private record NamedFile(String name, String kind) {}

    private static String kind(OtherFile file) {
        return isMark(file) ? "mark" : isClock(file) ? "clock" : isArchived(file) ? "archived" : lowerCase(file.kind());
    }

    private static boolean isArchived(OtherFile file) {
        return file.name().equals(Inbox.ARCHIVED_FILE);
    }

    /** Returns whether a file is {@code inbox.mark} or, in an archive, one of its copies. */
    private static boolean isMark(OtherFile file) {
        return file.name().matches("inbox(-.*)?\\.mark");
    }

    private static boolean isClock(OtherFile file) {
        return file.name().equals(Inbox.CLOCK_FILE);
    }

    private static String meaning(OtherFile other) {
        if (isMark(other)) {
            return "the position up to which the log is decided";
        }
        if (isClock(other)) {
            return "the time that the backend trusted last; a start compares the clock with it";
        }
        if (isArchived(other)) {
            return "the position up to which the log is archived";
        }
        return switch (other.kind()) {
            case OTHER_LOG -> "a segment of another log: its records are ignored; move it away";
            case BROKEN_HEADER -> "a segment with a broken header: its records are lost, see wal verify";
            case NO_SEGMENT -> "not a segment, though its name looks like one: no header and no records";
            case SET_ASIDE ->
                "set aside by a start or a repair: a torn tail, a broken file, or a file that had the name of a new"
                        + " segment";
            case OPENING -> "a segment that is being opened, or was when its backend stopped";
            case LOSSES -> "declares the records that a repair gave up, and the sequences that a restore skipped";
            case FOREIGN -> "does not belong to the log";
        };
    }

    private static String lowerCase(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT);
    }

    @Command(
            name = "verify",
            description = {
                "Reads the whole log and reports missing records.",
                "",
                "The end of the log may be unfinished: it is being written, or a crash cut it off",
                "before it was acknowledged. Damage to the last records that were forced together",
                "looks the same.",
                ""
            },
            exitCodeListHeading = "%nExit codes:%n",
            exitCodeList = {"0:nothing is missing", "1:records are missing, or the log can't be read", "2:wrong usage"})
    int verify() throws IOException {
        LogInspector inspector = source.inspector();
        Verification found = verify(inspector);
        if (found.records() == 0 && found.isComplete() && inspector.isEmpty()) {
            throw source.nothingThere();
        }
        Output output = source.output(spec);
        output.printAll("damage", found.damages(), WalSource.damages("MISSING RECORDS")::of);
        output.printAll("lost", found.givenUp().stream().map(Lost::new).toList(), lost -> "");
        if (found.tornTail() != null) {
            output.print("torn_tail", new Unfinished(found.tornTail()), WalCommand::asText);
        }
        for (String segment : found.brokenHeaders()) {
            output.print(
                    "broken_header",
                    Map.of("file", segment),
                    file -> StartReport.describeBrokenHeader(segment) + "; 'wal repair' rewrites it\n");
        }
        for (String foreign : found.foreign()) {
            output.print("other_log", Map.of("file", foreign), file -> StartReport.describeForeign(foreign) + "\n");
        }
        output.print("summary", new Verified(found), summary -> asText(found));
        return found.isComplete() ? ExitCode.OK : ExitCode.SOFTWARE;
    }

    /** Verifies the log. If a running backend removed segments meanwhile, verifies the log once more. */
    private Verification verify(LogInspector inspector) throws IOException {
        Marked marked = marked();
        Verification found = inspector.verify(marked.removed() + 1, marked.decided());
        Marked since = marked();
        return since.removed() == marked.removed() ? found : inspector.verify(since.removed() + 1, since.decided());
    }

    private Marked marked() throws IOException {
        return Inbox.marked(new DiskFiles(), source.directory()).orElse(new Marked(-1, 0, 0));
    }

    private record Unfinished(String segment, long offset, long bytes, long sequence, long lastWholeSequence) {
        Unfinished(TornTail of) {
            this(of.segment(), of.offset(), of.bytes(), of.sequence(), of.lastComplete());
        }
    }

    private record Verified(
            boolean whole,
            long records,
            long firstSequence,
            long lastSequence,
            long missing,
            long lost,

            @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable
            Long skipped) {
        Verified(Verification of) {
            this(
                    of.isComplete(),
                    of.records(),
                    of.first(),
                    of.last(),
                    of.missing(),
                    of.lost(),
                    of.skipped() == 0 ? null : of.skipped());
        }
    }

    private String asText(Verification found) {
        String lost = sequences("lost since a repair: ", found, loss -> !DeclaredLosses.isSkipped(loss))
                + sequences("skipped by a restore: ", found, DeclaredLosses::isSkipped);
        String result = found.isComplete()
                ? "whole" + (found.tornTail() == null ? "" : " up to the unfinished record") + ": "
                        + ErrorMessages.count(found.records(), "record")
                : "damaged: " + WalSource.records(found.damages()) + " missing, "
                        + ErrorMessages.count(found.records(), "record") + " whole";
        String range = found.records() == 0 ? "" : " (" + found.first() + " to " + found.last() + ")";
        return lost + result + range + " in " + source.directory() + "\n";
    }

    private static String sequences(String title, Verification found, Predicate<Damage> which) {
        List<Damage> losses = found.givenUp().stream().filter(which).toList();
        return losses.isEmpty()
                ? ""
                : losses.stream().map(WalSource::sequences).collect(Collectors.joining(", ", title, "\n"));
    }

    private static String asText(Unfinished tail) {
        String after = tail.lastWholeSequence() == 0
                ? "being written now, or cut off by a crash"
                : "followed by complete records up to " + tail.lastWholeSequence() + ": cut off by a crash, or damaged";
        return "unfinished: record %d and everything after it, %s from byte %d of\n    %s\n    %s\n"
                .formatted(
                        tail.sequence(),
                        ErrorMessages.count(tail.bytes(), "byte"),
                        tail.offset(),
                        tail.segment(),
                        after);
    }

    @Command(
            name = "cat",
            description = {"Prints the records of the log, oldest first; bodies only with --body.", ""},
            exitCodeListHeading = "%nExit codes:%n",
            exitCodeList = {"0:done", "1:records are missing in between, or the log can't be read", "2:wrong usage"})
    int cat(
            @Option(
                            names = "--from",
                            paramLabel = "SEQ",
                            defaultValue = "1",
                            showDefaultValue = CommandLine.Help.Visibility.NEVER,
                            description = "The first record to print.")
                    long from,
            @Option(
                            names = "--to",
                            paramLabel = "SEQ",
                            defaultValue = "9223372036854775807",
                            showDefaultValue = CommandLine.Help.Visibility.NEVER,
                            description = "The last record to print.")
                    long to,
            @Option(
                            names = "--id",
                            paramLabel = "PCS_ID",
                            description =
                                    "Only records of the certificate whose id begins with these digits, at least 8.")
                    @Nullable
                    String id,
            @Option(
                            names = "--kind",
                            paramLabel = "KIND",
                            description = "Only records of this kind: submission, evidence or overruled.")
                    @Nullable
                    String kind,
            @Option(names = "--body", description = "Also print the bodies as they were submitted.") boolean body)
            throws IOException {
        CommandLine command = Objects.requireNonNull(spec.subcommands().get("cat"));
        checkUsage(command, from, to, id, kind);
        LogInspector inspector = source.inspector();
        PrintWriter out = command.getOut();
        Output output = source.output(spec);
        try (LogWalk walk = inspector.walk(from)) {
            LogRecord record = walk.next();
            if (record == null && walk.damages().isEmpty() && inspector.isEmpty()) {
                throw source.nothingThere();
            }
            output.note(RECORDS.heading() + SECOND_LINE + "PCS_ID\n");
            for (long read = 1; record != null && record.sequence() <= to; read++) {
                Optional<PcsId> about = LoggedId.of(record);
                if ((kind == null || kind.equals(RecordKind.nameOf(record.kind())))
                        && (id == null
                                || about.filter(each -> each.toString().startsWith(id))
                                        .isPresent())) {
                    output.print(new PrintedRecord(record, about, body), WalCommand::asText);
                }
                if (read % RECORDS_BETWEEN_CHECKS == 0 && out.checkError()) {
                    return ExitCode.OK; // the reader, such as head, has closed the pipe
                }
                record = walk.next();
            }
            return WalSource.report(walk.damages(), to, command.getErr());
        }
    }

    private static void checkUsage(
            CommandLine command, long from, long to, @Nullable String id, @Nullable String kind) {
        WalSource.checkRange(command, from, to);
        if (kind != null && !RecordKind.names().contains(kind)) {
            throw new ParameterException(
                    command, "--kind: '" + kind + "' is unknown; use one of " + String.join(", ", RecordKind.names()));
        }
        if (id != null && !RecordedOutcomes.isId(id)) {
            throw new ParameterException(command, "--id: give 8 to 64 lower-case hex digits");
        }
    }

    private record PrintedRecord(
            long sequence,
            long group,
            String arrived,
            String kind,
            String keyId,
            @Nullable String pcsId,
            int bytes,
            String segment,
            long offset,
            String context,
            @Nullable String body) {
        PrintedRecord(LogRecord of, Optional<PcsId> about, boolean withBody) {
            this(
                    of.sequence(),
                    of.group(),
                    ErrorMessages.time(of.arrivalMillis()),
                    RecordKind.nameOf(of.kind()),
                    of.keyId(),
                    about.map(PcsId::toString).orElse(null),
                    of.body().length,
                    of.position().segment(),
                    of.position().offset(),
                    of.context(),
                    // in the inbox log, the body is valid UTF-8, because a certificate is parsed strictly before it is
                    // logged; in the log of the state, the body is binary
                    withBody ? new String(of.body(), StandardCharsets.UTF_8) : null);
        }
    }

    private static String asText(PrintedRecord record) {
        return RECORDS.row(record)
                + SECOND_LINE + Objects.requireNonNullElse(record.pcsId(), "-") + "\n"
                + (record.body() == null ? "" : Printable.escaped(record.body()) + "\n");
    }
}
