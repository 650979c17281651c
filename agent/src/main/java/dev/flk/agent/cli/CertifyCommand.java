// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.certify.CertificatePlot;
import dev.flk.agent.certify.Certifier;
import dev.flk.agent.certify.CsvFormat;
import dev.flk.agent.certify.CsvFormat.Filter;
import dev.flk.agent.certify.CsvFormat.Notation;
import dev.flk.agent.certify.CsvRows;
import dev.flk.agent.certify.CsvRows.Columns;
import dev.flk.agent.certify.CsvRows.MalformedCsv;
import dev.flk.agent.certify.Preview;
import dev.flk.agent.certify.TimeFormat;
import dev.flk.agent.certify.TimeUnit;
import dev.flk.agent.certify.Windows;
import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.follow.Position;
import dev.flk.agent.outbox.CertificateSink;
import dev.flk.agent.source.Intake;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.files.RegularFile;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
        name = "certify",
        header = "Turn a CSV of measurements into certificates.",
        description = {
            "Divides a CSV of measurements into windows and adds a certificate of each",
            "window to the outbox. The same rows always result in the same certificates.",
            "If a line has a mistake, the command names it and certifies nothing.",
            "",
            "The first line names the columns. The command reads timestamp, x, y and z, or",
            "the columns that --time and --value name. Cells are separated by commas,",
            "semicolons or tabs; times are seconds or milliseconds since 1970, or ISO 8601,",
            "and must increase. Rows with an empty cell are skipped. A single value column",
            "is treated as a curve over time. A file may be compressed with gzip."
        })
final class CertifyCommand implements Callable<Integer> {
    private static final Logger LOG = LoggerFactory.getLogger(CertifyCommand.class);

    private final Context context;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    @Parameters(paramLabel = "FILE.csv", description = "The measurements; - reads standard input.")
    private String file = "";

    @Option(
            names = "--time",
            paramLabel = "COLUMN",
            description = {
                "The column of the times (default: timestamp), or a date column",
                "and a time column, separated by a comma."
            })
    private @Nullable String time;

    @Option(
            names = "--value",
            paramLabel = "COLUMN",
            description = "One to three columns of values, separated by commas (default: x,y,z).")
    private List<String> values = new ArrayList<>();

    @Option(names = "--no-header", description = "The first line is data; columns have numbers, from 1.")
    private boolean hasNoHeader;

    @Option(names = "--skip-lines", paramLabel = "N", description = "Skip the first lines of the file.")
    private int skippedLines;

    @Option(
            names = "--skip-last-lines",
            paramLabel = "N",
            description = "Skip the last lines of the file that are not blank.")
    private int skippedLastLines;

    @Option(names = "--comment", paramLabel = "CHAR", description = "Skip lines that begin with it, such as #.")
    private @Nullable String comment;

    @Option(
            names = "--only",
            paramLabel = "COLUMN=TEXT",
            description = "Leave out rows whose cell in this column has another text.")
    private List<String> only = new ArrayList<>();

    @Option(
            names = "--skip-rows-after-header",
            paramLabel = "N",
            description = "Skip rows between the header and the first measurement, such as units.")
    private int rowsAfterHeader;

    @Option(
            names = "--delimiter",
            paramLabel = "CHAR",
            description = "The character between cells, if it can't be guessed; tab is the name of a tab.")
    private @Nullable String delimiter;

    @Option(
            names = "--time-unit",
            paramLabel = "UNIT",
            description = {
                "The unit of numeric times: s, ms, us, ns, min, h, d (since 1970),",
                "excel, matlab, julian, labview, filetime, dotnet",
                "(default: s or ms, by size)."
            })
    private @Nullable String timeUnit;

    @Option(
            names = "--time-format",
            paramLabel = "PATTERN",
            description = "How times are written, such as 'd/M/yyyy HH:mm'.")
    private @Nullable String timeFormat;

    @Option(
            names = "--years-from",
            paramLabel = "YEAR",
            description = "The first of the 100 years that yy in --time-format means (default: 2000, and years from"
                    + " 2038 on are errors).")
    private @Nullable Integer yearsFrom;

    @Option(
            names = "--time-zone",
            paramLabel = "ZONE",
            description = "The zone of times without one, such as Europe/Berlin (default: UTC).")
    private @Nullable String timeZone;

    @Option(
            names = "--missing",
            paramLabel = "TEXT",
            description = "Texts that mean an empty cell, such as NaN,-. A number means each cell with its value.")
    private List<String> missing = new ArrayList<>();

    @Option(names = "--decimal", paramLabel = "CHAR", description = "The decimal separator, if it can't be guessed.")
    private @Nullable String decimal;

    @Option(
            names = "--grouping",
            paramLabel = "CHAR",
            description = "The character that groups digits of values in thousands: a point, a comma, ' or a blank.")
    private @Nullable String grouping;

    @Option(
            names = "--encoding",
            paramLabel = "NAME",
            description = "The encoding of the text, such as windows-1252 (default: UTF-8).")
    private @Nullable Charset encoding;

    @Option(names = "--sort", description = "Sort the rows by time, in memory; times may then repeat.")
    private boolean isSorted;

    @Option(names = "--shard", paramLabel = "ID", description = "The shard of the certificates (default: SHARD_ID).")
    private @Nullable String shard;

    @Option(
            names = "--shard-column",
            paramLabel = "COLUMN",
            description = "The column that names the shard of each row. Each shard has windows of its own.")
    private @Nullable String shardColumn;

    @Option(
            names = "--shard-count",
            paramLabel = "N",
            description = "Distribute the windows in turn among N shards, ID-1 to ID-N.")
    private @Nullable Integer shardCount;

    @ArgGroup(exclusive = true)
    private WindowOptions window = new WindowOptions();

    @Option(
            names = "--first-epoch",
            paramLabel = "N",
            description = "The epoch of the first window, unless --window-time is given (default: 0).")
    private long firstEpoch;

    @Option(
            names = "--plot",
            paramLabel = "FILE.svg",
            description = "Draw how D̂ is computed, and D̂, coh★ and regime of every window.")
    private @Nullable Path plot;

    @Option(names = "--quiet", description = "Print no line for each window.")
    private boolean isQuiet;

    @ArgGroup(exclusive = true)
    private Target target = new Target();

    CertifyCommand(Context context) {
        this.context = context;
    }

    static final class WindowOptions {
        @Option(
                names = "--window",
                paramLabel = "ROWS",
                description = "The number of rows in a window (default: 300 for one or two columns of values, 1,500 for"
                        + " three).")
        private @Nullable Integer rows;

        @Option(
                names = "--window-time",
                paramLabel = "DURATION",
                description = "Divide by time instead, such as 6h; the epoch of a window is its number since 1970.")
        private @Nullable String time;
    }

    static final class Target {
        @Option(
                names = "--dry-run",
                description = "Show how the file is read, its first rows and its number of windows; certify nothing.")
        private boolean dryRun;

        @Option(
                names = "--print",
                description = "Print the certificates, one per line, instead of adding them to the outbox.")
        private boolean print;

        @Option(
                names = "--follow",
                description = {
                    "Keep reading as the file grows, and certify each window as",
                    "soon as it is complete, until stopped, also while it is",
                    "rotated; a restart resumes after the last certified window."
                })
        private boolean follow;

        @Option(
                names = "--out",
                paramLabel = "FILE",
                description = "Write the certificates to a file, one per line, instead of adding them to the outbox.")
        private @Nullable Path file;
    }

    @Override
    public Integer call() throws IOException, MalformedCsv, InvalidConfig {
        AgentConfig config = context.config();
        if (plot != null && (target.follow || target.dryRun)) {
            throw new UsageError("--plot draws a complete file and can't be combined with --follow or --dry-run");
        }
        if (plot != null && target.file != null && isSame(plot, target.file)) {
            throw new UsageError("--plot and --out name the same file, " + plot + "; name two different files");
        }
        if (plot != null && !plot.toString().toLowerCase(Locale.ROOT).endsWith(".svg")) {
            throw new UsageError(
                    "--plot writes SVG, which browsers show; name a file that ends with .svg, not " + plot);
        }
        requireReplaceable("--plot", plot, CertificatePlot::isPlot);
        requireReplaceable("--out", target.file, Certifier::areCertificates);
        if (target.follow) {
            return follow(config);
        }
        if (target.dryRun) {
            return dryRun();
        }
        List<byte[]> certificates;
        List<String> lines = new ArrayList<>();
        CsvFormat format = format();
        Certifier certifier = certifier(config, lines::add);
        try (InputStream csv = context.open(file)) {
            CsvRows rows = new CsvRows(csv, columns(), format);
            Optional<String> choice = windows().choice(rows.valueNames().size());
            choice.ifPresent(chosen -> lines.add("windows " + chosen));
            certificates = certifier.certify(rows, windows());
            LOG.info(
                    "read {}: {}{}",
                    file,
                    rows.facts(),
                    choice.map("; windows: "::concat).orElse(""));
            if (rows.skippedRows() > 0) {
                context.complain("skipped " + ErrorMessages.count(rows.skippedRows(), "row") + " with an empty cell");
            }
            rows.lastMayBeCut().ifPresent(context::complain);
        }
        if (!target.print) {
            lines.forEach(this::show);
        }
        if (plot != null && !certificates.isEmpty()) {
            Files.writeString(plot, CertificatePlot.svg(certificates));
        }
        if (target.print) {
            certificates.forEach(each -> context.out().print(new String(each, StandardCharsets.UTF_8) + '\n'));
        } else if (target.file != null) {
            try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(target.file))) {
                for (byte[] certificate : certificates) {
                    out.write(certificate);
                    out.write('\n');
                }
            }
        } else {
            OutboxAccess.either(config, outbox -> add(outbox, certificates), agent -> add(agent, certificates));
            context.say(ErrorMessages.count(certificates.size(), "certificate") + " added to the outbox "
                    + config.outbox().directory());
        }
        return 0;
    }

    private int follow(AgentConfig config) throws IOException, MalformedCsv {
        if (file.equals("-")) {
            throw new UsageError(
                    "--follow needs a file, not standard input, because after a restart the file is read again from"
                            + " its beginning");
        }
        if (isSorted) {
            throw new UsageError("--sort needs a complete file and can't be combined with --follow");
        }
        if (!filter().equals(Filter.NONE)) {
            throw new UsageError("--comment, --only and --skip-last-lines need a complete file and can't be combined"
                    + " with --follow");
        }
        Path csv = Path.of(file);
        if (Files.exists(csv) || Position.read(csv).isEmpty()) { // a followed file is missing while it is rotated
            try (InputStream bytes = new BufferedInputStream(context.open(file))) {
                if (CsvFormat.isGzip(bytes)) {
                    throw new UsageError("--follow reads a growing file as text, but " + file + " is compressed");
                }
            }
        }
        long certified = new CsvFollower(config, csv, context)
                .run(certifier(config, this::show), columns(), format(), windows());
        context.say(certified + " windows of " + file + " are certified");
        return 0;
    }

    private void show(String line) {
        if (!isQuiet) {
            context.out().println(line);
        }
    }

    private int dryRun() throws IOException, MalformedCsv {
        try (InputStream csv = context.open(file)) {
            CsvRows rows = new CsvRows(csv, columns(), format());
            context.out().print(Preview.of(file, rows, windows()).text());
            rows.lastMayBeCut().ifPresent(context::complain);
            if (!isSorted && filter().equals(Filter.NONE) && !file.equals("-")) {
                context.out().println();
                context.out().println("To certify the file while it grows, if all of this is right:");
                context.out().println(followLine(rows.shownOptions()));
            }
        }
        return 0;
    }

    /** Returns the command line with {@code --follow} instead of {@code --dry-run}, and with more options. */
    private String followLine(List<String> more) {
        return Stream.concat(
                        spec.commandLine().getParseResult().originalArgs().stream()
                                .filter(arg -> !arg.equals("--dry-run")),
                        Stream.concat(Stream.of("--follow"), more.stream()))
                .map(arg -> arg.matches("[\\w.,:/=+-]+") ? arg : "'" + arg.replace("'", "'\\''") + "'")
                .collect(Collectors.joining(" \\\n    ", "flk-agent ", ""));
    }

    private Columns columns() {
        return new Columns(Optional.ofNullable(time), values, Optional.ofNullable(shardColumn));
    }

    private CsvFormat format() {
        if (skippedLines < 0) {
            throw new UsageError("--skip-lines: must be at least 0, not " + skippedLines);
        }
        if (decimal != null && !decimal.equals(".") && !decimal.equals(",")) {
            throw new UsageError("--decimal: must be a point or a comma, not '" + decimal + "'");
        }
        return new CsvFormat(
                !hasNoHeader,
                skippedLines,
                Optional.ofNullable(encoding),
                Optional.ofNullable(decimal).map(each -> each.charAt(0)),
                Set.copyOf(missing),
                timeFormat(),
                zone(),
                isSorted,
                notation(),
                filter());
    }

    private Filter filter() {
        if (skippedLastLines < 0) {
            throw new UsageError("--skip-last-lines: must be at least 0, not " + skippedLastLines);
        }
        if (comment != null && (!comment.matches("[^\\w\\s\",;.+-]") || comment.equals(delimiter))) {
            throw new UsageError("--comment: must be one character that is neither a letter, digit or quote, nor part"
                    + " of a number, nor the delimiter, not '" + comment + "'");
        }
        for (String each : only) {
            if (each.indexOf('=') < 1) {
                throw new UsageError("--only: write it as COLUMN=TEXT, not '" + each + "'");
            }
        }
        return new Filter(Optional.ofNullable(comment).map(each -> each.charAt(0)), only, skippedLastLines);
    }

    private Notation notation() {
        if (rowsAfterHeader < 0 || (rowsAfterHeader > 0 && hasNoHeader)) {
            throw new UsageError("--skip-rows-after-header: must be at least 0, and a file with --no-header has no such"
                    + " rows; skip its first lines with --skip-lines");
        }
        if (delimiter != null && !delimiter.equals("tab") && !delimiter.matches("[^\\w\"\r\n]")) {
            throw new UsageError("--delimiter: must be one character that is no letter, digit or quote, or tab, not '"
                    + delimiter + "'");
        }
        if (grouping != null && !grouping.matches("[.,' ]")) {
            throw new UsageError(
                    "--grouping: must be a point, a comma, an apostrophe or a blank, not '" + grouping + "'");
        }
        if (grouping != null && grouping.equals(decimal)) {
            throw new UsageError(
                    "--grouping and --decimal: both are '" + grouping + "'; give two different characters");
        }
        if (timeUnit != null && timeFormat != null) {
            throw new UsageError("--time-unit is for numbers and --time-format for texts; give one of them");
        }
        return new Notation(
                Optional.ofNullable(delimiter).map(each -> each.equals("tab") ? '\t' : each.charAt(0)),
                Optional.ofNullable(grouping).map(each -> each.charAt(0)),
                Optional.ofNullable(timeUnit)
                        .map(name -> TimeUnit.of(name)
                                .orElseThrow(() -> new UsageError(
                                        "--time-unit: must be one of " + TimeUnit.names() + ", not '" + name + "'"))),
                rowsAfterHeader);
    }

    private Optional<TimeFormat> timeFormat() {
        if (yearsFrom != null && (yearsFrom < 1000 || yearsFrom > 9900)) {
            throw new UsageError("--years-from: must be a year of four digits up to 9900, not " + yearsFrom);
        }
        if (timeFormat == null) {
            if (yearsFrom != null) {
                throw new UsageError("--years-from is for years of two digits: give a --time-format with yy");
            }
            return Optional.empty();
        }
        try {
            return Optional.of(
                    TimeFormat.of(timeFormat, yearsFrom == null ? OptionalInt.empty() : OptionalInt.of(yearsFrom)));
        } catch (IllegalArgumentException e) {
            throw new UsageError("--time-format: '" + timeFormat + "': " + e.getMessage()
                    + "; write it like 'yyyy-MM-dd HH:mm:ss' or 'd/M/yyyy h:mm a'");
        }
    }

    private Optional<ZoneId> zone() {
        if (timeZone == null) {
            return Optional.empty();
        }
        try {
            ZoneId zone = ZoneId.of(timeZone);
            if (!TimeFormat.isDoubtful(zone)) {
                return Optional.of(zone);
            }
        } catch (DateTimeException e) {
            throw new UsageError("--time-zone: '" + timeZone + "' is no zone; write it like Europe/Berlin or +02:00");
        }
        throw new UsageError(
                "--time-zone: '" + timeZone + "' may be meant with or without daylight saving time; write a"
                        + " region such as Europe/Berlin or America/New_York, or an offset such as +01:00");
    }

    private static boolean add(CertificateSink sink, List<byte[]> certificates) throws IOException {
        new Intake(sink).add(certificates);
        return true;
    }

    private Certifier certifier(AgentConfig config, Consumer<String> lines) {
        if (shardColumn != null && (shard != null || shardCount != null)) {
            throw new UsageError("--shard-column names the shards and can't be combined with --shard or --shard-count");
        }
        if (shardColumn != null) {
            return new Certifier(List.of(), lines);
        }
        String id = Optional.ofNullable(shard)
                .or(config::shardId)
                .orElseThrow(() -> new UsageError("no shard: give --shard ID or set SHARD_ID"));
        if (shardCount != null && (shardCount < 1 || shardCount > 10_000)) {
            throw new UsageError("--shard-count must be from 1 to 10000, not " + shardCount);
        }
        try {
            return new Certifier(
                    shardCount == null
                            ? List.of(id)
                            : IntStream.rangeClosed(1, shardCount)
                                    .mapToObj(n -> id + "-" + n)
                                    .toList(),
                    lines);
        } catch (IllegalArgumentException e) {
            throw new UsageError(e.getMessage());
        }
    }

    private Windows windows() {
        try {
            if (window.time != null) {
                return Windows.byTime(Context.duration("--window-time", window.time));
            }
            return window.rows == null ? Windows.byValues(firstEpoch) : Windows.byCount(window.rows, firstEpoch);
        } catch (IllegalArgumentException e) {
            throw new UsageError(e.getMessage());
        }
    }

    /** A function that tests whether a file's content was written by this command. */
    private interface Recognition {
        boolean test(InputStream in) throws IOException;
    }

    private static boolean isSame(Path one, Path other) throws IOException {
        return (Files.exists(one) && Files.exists(other))
                ? Files.isSameFile(one, other)
                : one.toAbsolutePath().normalize().equals(other.toAbsolutePath().normalize());
    }

    /**
     * Requires that replacing a file loses nothing: the file does not exist, is empty, or was written entirely by this
     * command.
     */
    private void requireReplaceable(String option, @Nullable Path path, Recognition own) throws IOException {
        if (path == null) {
            return;
        }
        Optional<String> kind = RegularFile.otherKind(path);
        if (kind.isPresent()) {
            throw new UsageError(
                    option + ": " + path + " is " + kind.get() + ", not a regular file; name another file");
        }
        if (Files.exists(path) && Files.size(path) > 0) {
            try (InputStream in = Files.newInputStream(path)) {
                if (!own.test(in)) {
                    throw new UsageError(
                            option + ": " + path + " exists and was not written by this command; name another file");
                }
            }
        }
    }
}
