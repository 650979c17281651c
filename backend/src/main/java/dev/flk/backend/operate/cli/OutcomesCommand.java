// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import static dev.flk.program.remote.RemoteConnection.parsed;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.operate.cli.options.Configuration;
import dev.flk.backend.operate.cli.remote.BackendConnection;
import dev.flk.backend.outcomes.StoreConfig;
import dev.flk.backend.outcomes.embedded.OutcomesBackup;
import dev.flk.backend.outcomes.embedded.OutcomesBackup.Made;
import dev.flk.backend.outcomes.record.RecordConfig.Store;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Paragraph;
import dev.flk.program.cli.Printable;
import dev.flk.program.json.Json;
import dev.flk.program.remote.RemoteConnection;
import dev.flk.wal.Log;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.files.LogLockedException;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** The command {@code outcomes}, which backs up and restores the outcomes in DEDUP_DIR. */
@Command(
        name = "outcomes",
        description = {
            "Backs up and restores the outcomes in DEDUP_DIR.",
            "",
            "These are the ids of the embedded dedup store, and the embedded record.",
            "Copy outcomes in Postgres with pg_dump, and those in Redis with its own backup.",
            ""
        })
final class OutcomesCommand {
    private static final Duration LONGEST_BACKUP = Duration.ofDays(1);

    private final Configuration config;

    @Mixin
    private final BackendConnection backend;

    OutcomesCommand(Configuration config) {
        this.config = config;
        this.backend = new BackendConnection(config);
    }

    /** The body of a request for a backup. */
    private record Body(String directory) {}

    @Command(
            name = "backup",
            description = {
                "Copies the outcomes to a new directory while the backend runs.",
                "",
                "It asks the backend of the configuration, or the one at --url. Files that",
                "never change are hard links if DIR is on the file system of DEDUP_DIR.",
                ""
            },
            exitCodeListHeading = "%nExit codes:%n",
            exitCodeList = {
                "0:the backup is complete, and on disk",
                "1:there is no backup; the message says why",
                "2:wrong usage or configuration"
            })
    void backup(
            @Parameters(
                            paramLabel = "DIR",
                            description = "The directory to create, on the backend's machine; its parent must exist.")
                    Path directory)
            throws IOException {
        String body = Json.line(new Body(directory.toAbsolutePath().normalize().toString()));
        JsonNode made = parsed(backend.ask(backend.request("POST", "/v1/outcomes/backup", body), LONGEST_BACKUP)
                .body());
        long record = RemoteConnection.number(made, "complete_up_to");
        long bytes = RemoteConnection.number(made, "bytes");
        backend.output()
                .print(
                        made,
                        any -> Printable.of(made.path("directory").asText()) + ": complete up to record " + record
                                + " of the log, " + ErrorMessages.bytes(bytes) + "\n");
    }

    @Command(
            name = "restore",
            description = {
                "Puts a backup into DEDUP_DIR; the backend must be stopped.",
                "",
                "DEDUP_DIR must not have outcomes yet. The next start continues after the",
                "backup's position in the log; what the log no longer has is missing.",
                ""
            },
            exitCodeListHeading = "%nExit codes:%n",
            exitCodeList = {
                "0:the backup is restored, and on disk",
                "1:it is not restored; the message says why, and what to do",
                "2:wrong usage or configuration"
            })
    void restore(@Parameters(paramLabel = "DIR", description = "The directory of the backup.") Path directory)
            throws IOException {
        backend.requireUnused("restore");
        BackendConfig read = config.load();
        Path target = outcomesDirectory(read)
                .orElseThrow(() -> new IOException("the configuration has no outcomes in DEDUP_DIR, because neither"
                        + " DEDUP_BACKEND nor RECORD_STORE is embedded; restore Postgres with pg_restore, and Redis"
                        + " from its own backup"));
        Closeable lock = lock(read.inbox().walDir());
        Made made;
        try {
            made = OutcomesBackup.restore(directory, target);
        } finally {
            lock.close();
        }
        backend.output()
                .print(
                        new Restored(
                                target.toAbsolutePath().toString(), made.completeUpTo(), made.logId(), made.madeAt()),
                        done -> Paragraph.wrapped("restored to " + done.directory() + ": complete up to record "
                                + done.completeUpTo() + " of the log, made at " + done.madeAt()
                                + ". The next start reads ids and rows after that from the log. What the log no longer"
                                + " has is missing: X-Flk-Gap at /v1/outcomes names it."));
    }

    private record Restored(String directory, long completeUpTo, String logId, String madeAt) {}

    private static Optional<Path> outcomesDirectory(BackendConfig read) {
        Optional<Path> ofIds =
                read.store() instanceof StoreConfig.Embedded ids ? Optional.of(ids.dir()) : Optional.empty();
        return ofIds.or(() -> read.record().store().stream()
                .flatMap(store -> store instanceof Store.Embedded rows ? Stream.of(rows.directory()) : Stream.empty())
                .findAny());
    }

    /** Locks the log, so that no backend starts meanwhile. Does nothing if there is no log yet. */
    private static Closeable lock(Path walDirectory) throws IOException {
        if (!Files.isDirectory(walDirectory)) {
            return () -> {};
        }
        try {
            return new DiskFiles()
                    .lock(
                            walDirectory.resolve(Log.LOCK_FILE),
                            "'" + CommandLineProgram.NAME + " outcomes', process "
                                    + ProcessHandle.current().pid());
        } catch (LogLockedException e) {
            throw new IOException(walDirectory + " is in use by " + e.holder() + "; stop the backend first", e);
        }
    }
}
