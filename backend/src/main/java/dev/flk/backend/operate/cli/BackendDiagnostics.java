// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.inbox.Inbox;
import dev.flk.backend.operate.cli.CommandLineProgram.BuildVersion;
import dev.flk.backend.operate.cli.options.Configuration;
import dev.flk.backend.operate.cli.remote.RunningBackend;
import dev.flk.backend.outcomes.StoreConfig;
import dev.flk.backend.serve.guard.OpsConfig;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.config.Diagnosed;
import dev.flk.program.diagnostics.DiagnosticsArchive;
import dev.flk.program.diagnostics.DiagnosticsCommand;
import dev.flk.wal.LogInspector;
import dev.flk.wal.LogInspector.SegmentSummary;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.segment.LogReader.LogWalk;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.LongSummaryStatistics;
import java.util.Optional;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;

/** The command {@code diagnostics}, which writes one archive for a bug report. */
@Command(
        name = "diagnostics",
        description = {
            "Writes one archive with everything that a bug report needs.",
            "",
            "It contains versions, disks, the configuration without secrets, the metrics and",
            "readiness of the running backend, the state of the log, threads and memory if",
            "DEBUG is on, and the ends of log files. It changes nothing and works without a",
            "running backend.",
            "",
            "Run it with the configuration of that backend: the secrets in it are removed",
            "from all parts of the archive, including log files.",
            ""
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {"0:done", "1:the archive can't be written, or exists already", "2:wrong usage"})
final class BackendDiagnostics extends DiagnosticsCommand {
    private static final long VERIFIED_BYTES = 256L << 20;

    private final Configuration config;
    private final InstantSource clock;

    BackendDiagnostics(Configuration config, InstantSource clock) {
        super(CommandLineProgram.NAME);
        this.config = config;
        this.clock = clock;
    }

    @Override
    protected String write() throws IOException {
        Diagnosed<BackendConfig> known = config.read(BackendConfig::diagnose);
        return write(clock.instant(), known.secrets(), archive -> fill(archive, known));
    }

    private void fill(DiagnosticsArchive archive, Diagnosed<BackendConfig> known) throws IOException {
        archive.addMachine(
                BuildVersion.text(),
                known.config().map(BackendDiagnostics::directories).orElse(List.of()));
        archive.add("config.txt", known::text);
        if (known.config().isPresent()) {
            BackendConfig valid = known.config().get();
            for (String page : List.of("health", "readyz", "metrics")) {
                archive.add(page + ".txt", () -> page(valid, page));
            }
            if (valid.ops().map(OpsConfig::debug).orElse(false)) {
                archive.add("threads.txt", () -> page(valid, "debug/threads"));
                archive.add("heap.txt", () -> page(valid, "debug/heap"));
            }
            Path walDir = valid.inbox().walDir();
            archive.add("wal-ls.txt", () -> printedBy("wal", "ls", "--dir", walDir.toString()));
            archive.add(
                    "wal-verify.txt",
                    () -> newestRecords(new LogInspector(new DiskFiles(), walDir, Inbox.SEGMENT_PREFIX)));
        }
    }

    /**
     * Fetches a page, from the operations port if one is configured. If the backend has only a port with TLS, returns a
     * command that fetches the page by hand.
     */
    private String page(BackendConfig config, String page) throws IOException {
        if (config.ops().isEmpty() && config.tls().isPresent()) {
            return "not fetched, because the backend uses TLS and OPS_PORT is not set; fetch it by hand:\n"
                    + "curl --cacert AUTHORITY https://HOST:%d/%s\n"
                            .formatted(config.http().port(), page);
        }
        return client.get(
                RunningBackend.url(config) + "/" + page,
                page.equals("health") || page.equals("readyz") ? Optional.empty() : RunningBackend.login(config));
    }

    private static List<Path> directories(BackendConfig config) {
        List<Path> directories = new ArrayList<>(List.of(config.inbox().walDir()));
        if (config.store() instanceof StoreConfig.Embedded embedded) {
            directories.add(embedded.dir());
        }
        directories.add(Path.of(System.getProperty("java.io.tmpdir")));
        return directories;
    }

    private String printedBy(String... command) {
        StringWriter printed = new StringWriter();
        PrintWriter writer = new PrintWriter(printed);
        int exitCode = config.read((environment, file) ->
                new CommandLineProgram(environment, (none, again) -> {}, writer, writer).run(command));
        return printed + (exitCode == 0 ? "" : "exit code " + exitCode + "\n");
    }

    /**
     * Reads the newest segments, up to 256 MiB but at least one segment, and reports the damage found. A large log is
     * not read completely, because that takes too long.
     */
    private static String newestRecords(LogInspector inspector) throws IOException {
        List<SegmentSummary> segments = inspector.list().segments();
        long from = 1;
        long bytes = 0;
        for (int i = segments.size() - 1; i >= 0; i--) {
            bytes += segments.get(i).bytes();
            if (bytes > VERIFIED_BYTES && i < segments.size() - 1) {
                from = segments.get(i + 1).first();
                break;
            }
        }
        try (LogWalk walk = inspector.walk(from)) {
            LongSummaryStatistics read = new LongSummaryStatistics();
            for (LogRecord record = walk.next(); record != null; record = walk.next()) {
                read.accept(record.sequence());
            }
            return (from == 1 ? "the complete log was read\n" : "the log was read from record " + from + " on\n")
                    + ErrorMessages.count(read.getCount(), "complete record")
                    + (read.getCount() == 0 ? "" : " (" + read.getMin() + " to " + read.getMax() + ")")
                    + "\n"
                    + walk.damages().stream()
                            .map(damage -> "DAMAGE " + damage.describe() + "\n")
                            .collect(Collectors.joining());
        }
    }
}
