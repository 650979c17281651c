// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.certify.CertificatePlot;
import dev.flk.agent.certify.Certifier;
import dev.flk.agent.certify.CertifyOptions;
import dev.flk.agent.certify.CompleteRows;
import dev.flk.agent.certify.Preview;
import dev.flk.agent.certify.Windows;
import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.csv.CsvFormat;
import dev.flk.agent.csv.CsvFormat.Filter;
import dev.flk.agent.csv.CsvRows;
import dev.flk.agent.csv.CsvRows.Columns;
import dev.flk.agent.csv.CsvRows.MalformedCsv;
import dev.flk.agent.csv.Proposal;
import dev.flk.agent.follow.Globs;
import dev.flk.agent.follow.Source;
import dev.flk.agent.follow.SourceMembers;
import dev.flk.agent.follow.SourceText;
import dev.flk.agent.outbox.certificate.CertificateSink;
import dev.flk.agent.source.Intake;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.files.RegularFile;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.OffsetDateTime;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

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
            "and must not go back. Rows with an empty cell are skipped. A single value column",
            "is treated as a curve over time. A file may be compressed with gzip."
        })
final class CertifyCommand implements Callable<Integer> {
    private static final Logger LOG = LoggerFactory.getLogger(CertifyCommand.class);

    private final Context context;

    @Parameters(paramLabel = "FILE.csv", description = "The measurements; - reads standard input.")
    private String file = "";

    @Mixin
    private CertifyOptions options = new CertifyOptions();

    @Option(names = "--shard", paramLabel = "ID", description = "The shard of the certificates (default: SHARD_ID).")
    private @Nullable String shard;

    @Option(
            names = "--shard-count",
            paramLabel = "N",
            description = "Distribute the windows in turn among N shards, ID-1 to ID-N.")
    private @Nullable Integer shardCount;

    @Option(
            names = "--plot",
            paramLabel = "FILE.svg",
            description = "Draw how D̂ is computed, and D̂, coh★ and regime of every window.")
    private @Nullable Path plot;

    @Option(
            names = "--may-rest",
            description = "Do not mark a window as degraded because its values are all equal, as those of a valve.")
    private boolean mayRest;

    @Option(names = "--quiet", description = "Print no line for each window.")
    private boolean isQuiet;

    @ArgGroup(exclusive = true)
    private Target target = new Target();

    CertifyCommand(Context context) {
        this.context = context;
    }

    static final class Target {
        @Option(
                names = "--preview",
                description = "Show how the file is read, its first rows, its number of windows and an entry for"
                        + " SOURCES_FILE, or propose missing options and name all mistakes; certify nothing.")
        private boolean preview;

        @Option(
                names = "--print",
                description = "Print the certificates, one per line, instead of adding them to the outbox.")
        private boolean print;

        @Option(
                names = "--follow",
                description = "Keep reading as the file grows, and certify each window as soon as it is complete, until"
                        + " stopped, also while it is rotated; a restart resumes after the last certified window.")
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
        if (plot != null && (target.follow || target.preview)) {
            throw new UsageError("--plot draws a complete file and can't be combined with --follow or --preview");
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
        if (target.preview) {
            return preview();
        }
        List<byte[]> certificates;
        List<String> lines = new ArrayList<>();
        Checked how = checked();
        Certifier certifier = certifier(config, lines::add);
        try (InputStream csv = context.open(file)) {
            CsvRows rows = new CsvRows(csv, how.columns(), how.format());
            Optional<String> choice = how.windows().choice(rows.valueNames().size());
            choice.ifPresent(chosen -> lines.add("windows " + chosen));
            certificates = certifier.certify(rows, how.windows());
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

    private int follow(AgentConfig config) throws IOException {
        if (file.equals("-")) {
            throw new UsageError(
                    "--follow needs a file, not standard input, because after a restart the file is read again from"
                            + " its beginning");
        }
        if (options.csv.isSorted) {
            throw new UsageError("--sort needs a complete file and can't be combined with --follow");
        }
        Checked how = checked();
        if (!how.format().filter().equals(Filter.NONE)) {
            throw new UsageError("--comment, --only and --skip-last-lines need a complete file and can't be combined"
                    + " with --follow");
        }
        Path csv = Path.of(file).toAbsolutePath().normalize();
        RegularFile.requireOrNothing(csv); // a pipe can't be followed
        Source source = new Source(
                String.valueOf(csv.getFileName()),
                Globs.literal(csv.toString()),
                how.columns(),
                how.format(),
                how.windows(),
                new Source.Shard.Ids(certifier(config, this::show).shardIds()),
                false,
                mayRest);
        long certified = new FollowLoop(config, context).run(source, csv, this::show);
        context.say(certified + " windows of " + file + " are certified");
        return 0;
    }

    private void show(String line) {
        if (!isQuiet) {
            context.out().println(line);
        }
    }

    private int preview() throws IOException, MalformedCsv {
        Checked given = checked();
        if (options.csv.isSorted
                || options.firstEpoch != 0
                || shardCount != null
                || !Files.isRegularFile(Path.of(file))) { // a pipe can be read only once
            try (InputStream csv = context.open(file)) {
                print(new CsvRows(csv, given.columns(), given.format()), given);
            }
            return 0;
        }
        Proposal proposal = Proposal.of(() -> context.open(file), options.csv);
        Checked how = checked();
        try (InputStream csv = context.open(file)) {
            CsvRows rows = new CsvRows(csv, how.columns(), how.format());
            print(rows, how);
            context.out().println();
            context.out().println("An entry for SOURCES_FILE, if all of this is right:");
            printEntry(proposal, List.of(settled(rows, proposal)));
            return 0;
        } catch (MalformedCsv e) {
            if (!proposal.complete()) {
                throw e;
            }
        }
        return propose(proposal);
    }

    private void print(CsvRows rows, Checked how) throws IOException, MalformedCsv {
        context.out().print(Preview.of(file, rows, how.windows()).text());
        rows.lastMayBeCut().ifPresent(context::complain);
    }

    /** Prints an entry that the content of the file suggests, and names the options that remain open. */
    private int propose(Proposal proposal) throws IOException, MalformedCsv {
        if (shard != null) {
            options.csv.shardColumn = null;
        }
        Checked how = checked();
        List<String> mistakes = new ArrayList<>();
        String first = "";
        try (InputStream csv = context.open(file)) {
            CsvRows rows = new CsvRows(csv, how.columns(), how.format());
            mistakes.addAll(CompleteRows.checked(rows, how.windows()).mistakes());
            if (mistakes.isEmpty()) {
                first = settled(rows, proposal);
            }
        } catch (MalformedCsv e) {
            mistakes.add(e.getMessage());
        }
        mistakes.addAll(0, proposal.leaveOpen());
        context.out().println("A proposal for SOURCES_FILE, by the first and last lines; check each member:");
        printEntry(
                proposal,
                mistakes.isEmpty()
                        ? List.of(first)
                        : mistakes.stream()
                                .map(each -> "open: " + SourceMembers.inFile(each))
                                .toList());
        context.out().flush();
        mistakes.forEach(context::complain);
        return mistakes.isEmpty() ? 0 : 1;
    }

    /** Sets the options that the rows settle, and returns the comment of an entry: how the first row was read. */
    private String settled(CsvRows rows, Proposal proposal) {
        boolean lacksZone = rows.settle(options.csv);
        String offset = OffsetDateTime.now(ZoneId.systemDefault()).getOffset().getId();
        if (lacksZone && !offset.equals("Z")) {
            proposal.open().put("--time-zone", List.of(offset));
        }
        return rows.shownFirst() + (lacksZone ? "; the times have no zone, so UTC is assumed" : "");
    }

    private void printEntry(Proposal proposal, List<String> notes) throws IOException, MalformedCsv {
        Map<String, List<String>> open = proposal.open();
        if (shard != null) {
            open.remove("--shard-column");
        }
        try (InputStream csv = new BufferedInputStream(context.open(file))) {
            boolean isComplete = checked().format().isOfCompleteFiles(csv);
            context.out().println();
            context.out()
                    .print(SourceText.of(Path.of(file), options, isComplete, Optional.ofNullable(shard), open, notes));
        }
    }

    /** The options after a check. */
    private record Checked(Columns columns, CsvFormat format, Windows windows) {}

    private Checked checked() {
        if (options.csv.shardColumn != null && (shard != null || shardCount != null)) {
            throw new UsageError("--shard-column names the shards and can't be combined with --shard or --shard-count");
        }
        try {
            return new Checked(options.csv.columns(), options.csv.format(), options.windows());
        } catch (IllegalArgumentException e) {
            throw new UsageError(e.getMessage());
        }
    }

    private static boolean add(CertificateSink sink, List<byte[]> certificates) throws IOException {
        new Intake(sink).add(certificates);
        return true;
    }

    private Certifier certifier(AgentConfig config, Consumer<String> lines) {
        if (options.csv.shardColumn != null) {
            return new Certifier(List.of(), lines, mayRest);
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
                    lines,
                    mayRest);
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
