// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.inbox.Inbox;
import dev.flk.backend.inbox.Inbox.Marked;
import dev.flk.backend.inbox.RecordKind;
import dev.flk.backend.inbox.RecordKind.LoggedId;
import dev.flk.certificate.PcsId;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Json;
import dev.flk.wal.LogInspector;
import dev.flk.wal.LogInspector.LogListing;
import dev.flk.wal.LogInspector.LogListing.OtherFile;
import dev.flk.wal.LogInspector.SegmentSummary;
import dev.flk.wal.LogInspector.Verification;
import dev.flk.wal.StartReport;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.Damage.TornTail;
import dev.flk.wal.segment.LogReader.LogWalk;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.Iterator;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
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

/** The command {@code wal}; {@code replay}, {@code compact} and {@code repair} have their own classes. */
@Command(
        name = "wal",
        description = {
            "Commands about the inbox log.",
            "",
            "ls, verify, cat and replay only read, and may run while a backend does. Stop the",
            "backend before repair and compact.",
            ""
        })
final class WalCommand implements Runnable {
    private static final String SEGMENT_ROW = "%-35s %-10s %11s %11s %9s\n";
    static final String DAMAGE_ROW = "%-24s %-35s %15s\n";
    private static final String RECORD_ROW = "%11s  %-24s  %-10s  %-8s  %9s\n";
    private static final int KEY_COLUMNS = 18;

    /** The number of records between checks whether the reader of the output has closed the pipe. */
    private static final int RECORDS_BETWEEN_CHECKS = 1_000;

    @Mixin
    private final WalSource source;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    private WalCommand(WalSource source) {
        this.source = source;
    }

    /** Returns the command with its subcommands, which share their options. */
    static CommandLine with(WalSource source) {
        return new CommandLine(new WalCommand(source))
                .addSubcommand(new WalReplayCommand(source))
                .addSubcommand(new WalCompactCommand(source))
                .addSubcommand(new WalRepairCommand(source));
    }

    @Override
    public void run() {
        throw new ParameterException(
                spec.commandLine(), "Missing command: wal ls, verify, cat, replay, compact or repair");
    }

    private PrintWriter out() {
        return spec.commandLine().getOut();
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
        if (source.json) {
            listing.segments().forEach(segment -> out().print(Json.line(new SegmentLine(segment))));
            listing.others().forEach(other -> out().print(Json.line(new FileLine(other))));
        } else {
            out().print(asTable(listing));
        }
        out().flush();
    }

    private record SegmentLine(
            String type,
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
        SegmentLine(SegmentSummary of) {
            this(
                    "segment",
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

    private record FileLine(String type, String name, String kind) {
        FileLine(OtherFile of) {
            this("file", of.name(), isMark(of) ? "mark" : lowerCase(of.kind()));
        }
    }

    private static boolean isMark(OtherFile file) {
        return file.name().equals(Inbox.MARK_FILE);
    }

    private String asTable(LogListing listing) {
        StringBuilder table = new StringBuilder(SEGMENT_ROW.formatted("SEGMENT", "STATE", "FIRST", "LAST", "SIZE"));
        for (SegmentSummary segment : listing.segments()) {
            boolean counts = segment.records() > 0;
            table.append(SEGMENT_ROW.formatted(
                    segment.name(),
                    lowerCase(segment.state()),
                    counts ? segment.first() : "-",
                    counts ? segment.end() - 1 : "-",
                    ErrorMessages.bytes(segment.bytes())));
        }
        long records =
                listing.segments().stream().mapToLong(SegmentSummary::records).sum();
        long bytes =
                listing.segments().stream().mapToLong(SegmentSummary::bytes).sum();
        table.append("%s, %s, %s in %s\n"
                .formatted(
                        ErrorMessages.count(listing.segments().size(), "segment"),
                        ErrorMessages.count(records, "record"),
                        ErrorMessages.bytes(bytes),
                        source.directory()));
        for (OtherFile other : listing.others()) {
            table.append("\n%s\n    %s\n".formatted(other.name(), meaning(other)));
        }
        return table.toString();
    }

    private static String meaning(OtherFile other) {
        if (isMark(other)) {
            return "the position up to which the log is decided";
        }
        return switch (other.kind()) {
            case OTHER_LOG -> "a segment of another log: its records are ignored; move it away";
            case BROKEN_HEADER -> "a segment with a broken header: its records are lost, see wal verify";
            case NO_SEGMENT -> "not a segment, though its name looks like one: no header and no records";
            case SET_ASIDE -> "set aside by a start or a repair: a torn tail, a broken file, or one in the way";
            case OPENING -> "a segment that is being opened, or was when its backend stopped";
            case LOSSES -> "declares the records that a repair gave up";
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
        if (found.records() == 0 && found.isWhole() && inspector.isEmpty()) {
            throw source.nothingThere();
        }
        if (source.json) {
            found.damages().forEach(damage -> out().print(Json.line(new DamageLine(damage))));
            found.givenUp().forEach(lost -> out().print(Json.line(new LostLine(lost))));
            if (found.tornTail() != null) {
                out().print(Json.line(new TornTailLine(found.tornTail())));
            }
            found.brokenHeaders().forEach(segment -> out().print(Json.line(new NoticeLine("broken_header", segment))));
            found.foreign().forEach(file -> out().print(Json.line(new NoticeLine("other_log", file))));
            out().print(Json.line(new VerifiedLine(found)));
        } else {
            out().print(asText(found));
        }
        out().flush();
        return found.isWhole() ? ExitCode.OK : ExitCode.SOFTWARE;
    }

    /** Verifies the log, twice if the retention of a running backend removed segments meanwhile. */
    private Verification verify(LogInspector inspector) throws IOException {
        Marked marked = marked();
        Verification found = inspector.verify(marked.removed() + 1, marked.decided());
        Marked since = marked();
        return since.removed() == marked.removed() ? found : inspector.verify(since.removed() + 1, since.decided());
    }

    private Marked marked() throws IOException {
        return Inbox.marked(new DiskFiles(), source.directory()).orElse(new Marked(-1, 0, 0));
    }

    private record DamageLine(
            String type, Damage.Kind kind, String segment, long offset, long firstMissing, long lastMissing) {
        DamageLine(Damage of) {
            this("damage", of.kind(), of.segment(), of.offset(), of.firstMissing(), of.lastMissing());
        }
    }

    private record LostLine(String type, long firstLost, long lastLost) {
        LostLine(Damage of) {
            this("lost", of.firstMissing(), of.lastMissing());
        }
    }

    /** A notice about a file with a damaged header or a file of another log. */
    private record NoticeLine(String type, String file) {}

    private record TornTailLine(
            String type, String segment, long offset, long bytes, long sequence, long lastWholeSequence) {
        TornTailLine(TornTail of) {
            this("torn_tail", of.segment(), of.offset(), of.bytes(), of.sequence(), of.lastWhole());
        }
    }

    private record VerifiedLine(
            String type, boolean whole, long records, long firstSequence, long lastSequence, long missing, long lost) {
        VerifiedLine(Verification of) {
            this("summary", of.isWhole(), of.records(), of.first(), of.last(), of.missing(), of.lost());
        }
    }

    private String asText(Verification found) {
        StringBuilder text = new StringBuilder();
        if (!found.isWhole()) {
            text.append(DAMAGE_ROW.formatted("MISSING RECORDS", "SEGMENT", "DAMAGED AT BYTE"));
        }
        for (Damage damage : found.damages()) {
            text.append(DAMAGE_ROW.formatted(WalSource.sequences(damage), damage.segment(), WalSource.place(damage)));
        }
        if (found.tornTail() != null) {
            text.append(asText(found.tornTail()));
        }
        for (String segment : found.brokenHeaders()) {
            text.append(StartReport.describeBrokenHeader(segment)).append("; 'wal repair' rewrites it\n");
        }
        for (String file : found.foreign()) {
            text.append(StartReport.describeForeign(file)).append('\n');
        }
        String range = found.records() == 0 ? "" : " (" + found.first() + " to " + found.last() + ")";
        String end = found.tornTail() == null ? "" : " up to there";
        if (found.lost() > 0) {
            text.append("lost since a repair: ")
                    .append(found.givenUp().stream().map(WalSource::sequences).collect(Collectors.joining(", ")))
                    .append('\n');
        }
        return text.append(found.isWhole() ? "whole" + end + ": " : "damaged: ")
                .append(found.isWhole() ? "" : ErrorMessages.count(found.missing(), "record") + " missing, ")
                .append(ErrorMessages.count(found.records(), "record"))
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
                : "followed by whole records up to " + tail.lastWhole() + ": cut off by a crash, or damaged";
        return "unfinished: record %d and everything after it, %s from byte %d of\n    %s\n    %s\n"
                .formatted(
                        tail.sequence(),
                        ErrorMessages.count(tail.bytes(), "byte"),
                        tail.offset(),
                        tail.segment(),
                        behind);
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
            @Option(names = "--id", paramLabel = "PCS_ID", description = "Only records of this certificate.") @Nullable
                    String id,
            @Option(
                            names = "--kind",
                            paramLabel = "KIND",
                            completionCandidates = Kinds.class,
                            description = "Only records of this kind: ${COMPLETION-CANDIDATES}.")
                    @Nullable
                    String kind,
            @Option(names = "--body", description = "Also print the bodies as they were submitted.") boolean body)
            throws IOException {
        CommandLine command = Objects.requireNonNull(spec.subcommands().get("cat"));
        Optional<PcsId> wanted = checkUsage(command, from, to, id, kind);
        LogInspector inspector = source.inspector();
        PrintWriter out = out();
        try (LogWalk walk = inspector.walk(from)) {
            LogRecord record = walk.next();
            if (record == null && walk.damages().isEmpty() && inspector.isEmpty()) {
                throw source.nothingThere();
            }
            if (!source.json) {
                out.print(RECORD_ROW.formatted("SEQUENCE", "ARRIVED", "KIND", "KEY", "BODY") + "             PCS_ID\n");
            }
            for (long read = 1; record != null && record.sequence() <= to; read++) {
                if (kind == null || kind.equals(RecordKind.nameOf(record.kind()))) {
                    Optional<PcsId> about = LoggedId.of(record);
                    if (wanted.isEmpty() || wanted.equals(about)) {
                        out.print(
                                source.json
                                        ? Json.line(new RecordLine(record, about, body))
                                        : asText(record, about, body));
                    }
                }
                if (read % RECORDS_BETWEEN_CHECKS == 0 && out.checkError()) {
                    return ExitCode.OK; // the reader, such as head, has closed the pipe
                }
                record = walk.next();
            }
            out.flush();
            return WalSource.report(walk.damages(), to, command.getErr());
        }
    }

    /** The values that {@code --kind} accepts. */
    static final class Kinds implements Iterable<String> {
        @Override
        public Iterator<String> iterator() {
            return RecordKind.names().iterator();
        }
    }

    private static Optional<PcsId> checkUsage(
            CommandLine command, long from, long to, @Nullable String id, @Nullable String kind) {
        WalSource.checkRange(command, from, to);
        if (kind != null && !RecordKind.names().contains(kind)) {
            throw new ParameterException(
                    command, "--kind: '" + kind + "' is unknown; use one of " + String.join(", ", RecordKind.names()));
        }
        if (id == null) {
            return Optional.empty();
        }
        return Optional.of(PcsId.parse(id)
                .orElseThrow(() -> new ParameterException(command, "--id: a pcs_id is 64 lower-case hex digits")));
    }

    private record RecordLine(
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
        RecordLine(LogRecord of, Optional<PcsId> about, boolean withBody) {
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
                    withBody ? bodyOf(of) : null);
        }
    }

    /** Renders two lines of at most 80 columns, and the body as a third if it is wanted. */
    private static String asText(LogRecord record, Optional<PcsId> about, boolean withBody) {
        String keyId = record.keyId();
        String head = RECORD_ROW.formatted(
                record.sequence(),
                ErrorMessages.time(record.arrivalMillis()),
                RecordKind.nameOf(record.kind()),
                keyId.length() > KEY_COLUMNS ? keyId.substring(0, KEY_COLUMNS - 1) + "…" : keyId,
                ErrorMessages.bytes(record.body().length));
        String id = "             " + about.map(PcsId::toString).orElse("-") + "\n";
        return withBody ? head + id + forTerminal(bodyOf(record)) + "\n" : head + id;
    }

    /**
     * Escapes control characters, so that a body can't control the terminal. JSON has them only in strings, where an
     * escape is equivalent.
     */
    private static String forTerminal(String body) {
        StringBuilder shown = new StringBuilder(body.length());
        for (int i = 0; i < body.length(); i++) {
            char c = body.charAt(i);
            int type = Character.getType(c);
            boolean speaks = (type == Character.CONTROL && c != '\n' && c != '\t') || type == Character.FORMAT;
            shown.append(speaks ? "\\u%04x".formatted((int) c) : String.valueOf(c));
        }
        return shown.toString();
    }

    /** Decodes a body, which is valid UTF-8 because a certificate is parsed strictly before it is logged. */
    private static String bodyOf(LogRecord record) {
        return new String(record.body(), StandardCharsets.UTF_8);
    }
}
