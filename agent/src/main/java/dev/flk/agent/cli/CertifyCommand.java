// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.certify.CertificatePlot;
import dev.flk.agent.certify.Certifier;
import dev.flk.agent.certify.CsvRows;
import dev.flk.agent.certify.CsvRows.Columns;
import dev.flk.agent.certify.CsvRows.MalformedCsv;
import dev.flk.agent.certify.Preview;
import dev.flk.agent.certify.Windows;
import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.outbox.CertificateSink;
import dev.flk.agent.source.Intake;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.config.Quantities;
import dev.flk.program.files.RegularFile;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "certify",
        header = "Turn a CSV of measurements into certificates.",
        description = {
            "Cuts a CSV of measurements into windows and puts a certificate of each into",
            "the outbox. The same rows give the same certificates. A mistake anywhere in",
            "the file is named, and then none of it is certified.",
            "",
            "The first line names the columns; timestamp and x, y, z are read, or those",
            "that --time and --value name. Cells are separated by commas, semicolons or",
            "tabs; times are seconds or milliseconds since 1970, or ISO 8601. A row with",
            "an empty cell is skipped. One value is taken as a curve over time."
        })
final class CertifyCommand implements Callable<Integer> {
    private final Context context;

    @Parameters(paramLabel = "FILE.csv", description = "The measurements; - is standard input.")
    private String file = "";

    @Option(names = "--time", paramLabel = "COLUMN", description = "The column of the times; preset: timestamp.")
    private @Nullable String time;

    @Option(
            names = "--value",
            paramLabel = "COLUMN",
            split = ",",
            description = "The columns of one to three values, separated by commas; preset: x,y,z.")
    private List<String> values = new ArrayList<>();

    @Option(names = "--shard", paramLabel = "ID", description = "Shard of the certificates; preset: SHARD_ID.")
    private @Nullable String shard;

    @Option(
            names = "--shard-count",
            paramLabel = "N",
            description = "Deal the windows in turn to N shards named ID-1 to ID-N.")
    private @Nullable Integer shardCount;

    @ArgGroup(exclusive = true)
    private WindowOptions window = new WindowOptions();

    @Option(
            names = "--first-epoch",
            paramLabel = "N",
            description = "Epoch of the first window, where windows are counted; preset: 0.")
    private long firstEpoch;

    @Option(
            names = "--plot",
            paramLabel = "FILE.svg",
            description = "Draw how D̂ comes about, and D̂, coh★ and regime over the windows.")
    private @Nullable Path plot;

    @ArgGroup(exclusive = true)
    private Target target = new Target();

    CertifyCommand(Context context) {
        this.context = context;
    }

    static final class WindowOptions {
        @Option(names = "--window", paramLabel = "ROWS", description = "Rows in a window; preset: 100.")
        private int rows = 100;

        @Option(
                names = "--window-time",
                paramLabel = "DURATION",
                description = {"Cut by time instead, such as 6h; a window's epoch is its", "number since 1970."})
        private @Nullable String time;
    }

    static final class Target {
        @Option(
                names = "--dry-run",
                description =
                        "Show how the file is understood, its first rows and how many windows it has; certify nothing.")
        private boolean dryRun;

        @Option(names = "--print", description = "Print the certificates, a line each; leave the outbox alone.")
        private boolean print;

        @Option(
                names = "--follow",
                description = {
                    "Continue as the file grows, each window as soon as it is",
                    "complete, until stopped; a restart continues there."
                })
        private boolean follow;

        @Option(
                names = "--out",
                paramLabel = "FILE",
                description = "Write the certificates to a file, a line each; leave the outbox alone.")
        private @Nullable Path file;
    }

    @Override
    public Integer call() throws IOException, MalformedCsv, InvalidConfig {
        AgentConfig config = context.config();
        if (plot != null && (target.follow || target.dryRun)) {
            throw new UsageError("--plot draws certificates of a whole file: leave out --follow and --dry-run");
        }
        if (plot != null && target.file != null && isSame(plot, target.file)) {
            throw new UsageError("--plot and --out name the same file, " + plot + "; name two");
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
        try (InputStream csv = context.open(file)) {
            CsvRows rows = new CsvRows(csv, columns());
            certificates = certifier(config).certify(rows, windows());
            if (rows.skippedRows() > 0) {
                context.complain(ErrorMessages.count(rows.skippedRows(), "row") + " with an empty cell skipped");
            }
        }
        if (plot != null && !certificates.isEmpty()) {
            Files.writeString(plot, CertificatePlot.svg(certificates));
        }
        if (target.print) {
            write(certificates, context.out());
        } else if (target.file != null) {
            try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(target.file))) {
                write(certificates, out);
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
                    "--follow needs a file; after a restart it is read from its start, which standard input can't");
        }
        context.open(file).close();
        long certified = new CsvFollower(config, Path.of(file), context).run(certifier(config), columns(), windows());
        context.say(certified + " windows of " + file + " are certified");
        return 0;
    }

    private int dryRun() throws IOException, MalformedCsv {
        try (InputStream csv = context.open(file)) {
            CsvRows rows = new CsvRows(csv, columns());
            context.out().print(Preview.of(file, rows, windows()).text());
        }
        return 0;
    }

    private Columns columns() {
        try {
            return new Columns(Optional.ofNullable(time), values);
        } catch (IllegalArgumentException e) {
            throw new UsageError("--value: " + e.getMessage());
        }
    }

    private static boolean add(CertificateSink sink, List<byte[]> certificates) throws IOException {
        new Intake(sink).add(certificates);
        return true;
    }

    private Certifier certifier(AgentConfig config) {
        String id = Optional.ofNullable(shard)
                .or(config::shardId)
                .orElseThrow(() -> new UsageError("no shard is named; give --shard ID or set SHARD_ID"));
        if (shardCount != null && (shardCount < 1 || shardCount > 10_000)) {
            throw new UsageError("--shard-count must be from 1 to 10000, not " + shardCount);
        }
        try {
            return new Certifier(
                    shardCount == null
                            ? List.of(id)
                            : IntStream.rangeClosed(1, shardCount)
                                    .mapToObj(n -> id + "-" + n)
                                    .toList());
        } catch (IllegalArgumentException e) {
            throw new UsageError(e.getMessage());
        }
    }

    private Windows windows() {
        try {
            return window.time == null
                    ? Windows.byCount(window.rows, firstEpoch)
                    : Windows.byTime(Quantities.duration(window.time));
        } catch (IllegalArgumentException e) {
            throw new UsageError((window.time == null ? "" : "--window-time: the value is ") + e.getMessage());
        }
    }

    private static void write(List<byte[]> certificates, OutputStream out) throws IOException {
        for (byte[] certificate : certificates) {
            out.write(certificate);
            out.write('\n');
        }
        out.flush();
    }

    /** Recognises a file that this command has written. */
    private interface Recognition {
        boolean test(InputStream in) throws IOException;
    }

    private static boolean isSame(Path one, Path other) throws IOException {
        return (Files.exists(one) && Files.exists(other))
                ? Files.isSameFile(one, other)
                : one.toAbsolutePath().normalize().equals(other.toAbsolutePath().normalize());
    }

    /** Requires that a file is new or empty, or that this command has written all of it. */
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
