// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.health;

import dev.flk.backend.access.look.AccessLook;
import dev.flk.backend.access.look.RunningProcess;
import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.inbox.Inbox;
import dev.flk.backend.outcomes.StoreConfig;
import dev.flk.backend.outcomes.record.RecordConfig;
import dev.flk.backend.stores.postgres.PostgresLook;
import dev.flk.backend.stores.redis.RedisProbe;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.health.CertificateExpiry;
import dev.flk.program.health.Check;
import dev.flk.program.health.Directories;
import dev.flk.program.health.Finding;
import dev.flk.program.health.Finding.Grade;
import dev.flk.wal.LogArchive;
import dev.flk.wal.LogArchive.Waiting;
import dev.flk.wal.files.DiskFiles;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Stream;

/** The list of checks for a configuration, and the implementation of the checks that need no running backend. */
public final class BackendHealth {
    /** The largest difference between two clocks that is not reported as bad, as in {@code postgres check}. */
    private static final Duration NOTEWORTHY = Duration.ofSeconds(5);

    /** The ages of a closed segment that is not archived from which on it is reported, as the alert reports them. */
    private static final Duration ARCHIVE_LATE = Duration.ofMinutes(30);

    private static final Duration ARCHIVE_STOPPED = Duration.ofHours(6);

    private static final String COMMAND = "flk-backend";
    private static final String ARCHIVE = "archive";
    private static final String BACKEND = "backend";
    private static final String CLOCK = "clock";
    private static final String COPY = "copy";
    private static final String DISK = "disk";
    private static final String FEED = "feed";
    private static final String KEYS = "keys";
    private static final String POSTGRES = "postgres";

    private final BackendConfig config;
    private final InstantSource clock;

    private BackendHealth(BackendConfig config, InstantSource clock) {
        this.config = config;
        this.clock = clock;
    }

    /**
     * Returns the checks.
     *
     * @param probes the URL of the probes of the running backend; empty if the configured port is 0: the backend then
     *     chose a port, which only its log names
     * @param requestTimeout the longest time of a request to the running backend
     */
    public static List<Check> checks(
            BackendConfig config, Optional<URI> probes, Duration requestTimeout, InstantSource clock) {
        BackendHealth health = new BackendHealth(config, clock);
        RunningProcess process = new RunningProcess(config.tls(), requestTimeout, "backend");
        List<Check> checks = new ArrayList<>();
        checks.add(new Check(BACKEND, found -> {
            if (probes.isPresent()) {
                process.askReadiness(probes.get(), found);
            } else {
                found.accept(
                        Finding.doubtful(BACKEND, "is not asked, because its port is 0: only its log names the port"));
            }
        }));
        if (config.store() instanceof StoreConfig.Redis redis) {
            checks.add(new Check("redis", found -> RedisProbe.look(redis.server(), clock, NOTEWORTHY, found)));
        }
        config.inPostgres()
                .ifPresent(used -> checks.add(new Check(
                        POSTGRES,
                        found -> PostgresLook.at(POSTGRES, used.server(), used.pools(), COMMAND, clock, found))));
        if (config.store().isShared()) {
            checks.add(new Check(RegisteredLogs.SUBJECT, found -> RegisteredLogs.check(config, clock, found)));
        }
        config.copy()
                .ifPresent(copy ->
                        checks.add(new Check(COPY, found -> copy.findings().forEach(found))));
        config.feed()
                .ifPresent(feed ->
                        checks.add(new Check(FEED, found -> feed.findings().forEach(found))));
        checks.add(new Check(DISK, health::disk));
        config.inbox()
                .archiveCommand()
                .ifPresent(command -> checks.add(new Check(ARCHIVE, found -> health.archive(found))));
        checks.add(new Check(CLOCK, health::clock));
        checks.add(new Check(KEYS, found -> AccessLook.keys(config.signing(), clock, found)));
        config.tls()
                .ifPresent(tls ->
                        checks.add(new Check(CertificateExpiry.SUBJECT, found -> AccessLook.tls(tls, clock, found))));
        return checks;
    }

    private void disk(Consumer<Finding> found) throws IOException {
        long minFreeBytes = config.inbox().walMinFreeBytes();
        found.accept(Directories.space(
                "WAL_DIR", config.inbox().walDir(), "WAL_MIN_FREE_BYTES", minFreeBytes, "no certificate is accepted"));
        if (config.store() instanceof StoreConfig.Embedded embedded) {
            found.accept(Directories.space(
                    "DEDUP_DIR", embedded.dir(), "WAL_MIN_FREE_BYTES", minFreeBytes, "no outcome is recorded"));
        } else if (config.record().store().orElse(null) instanceof RecordConfig.Store.Embedded embedded) {
            found.accept(Directories.space(
                    "DEDUP_DIR", embedded.directory(), "WAL_MIN_FREE_BYTES", minFreeBytes, "the record stops"));
        }
        found.accept(Directories.space("AUDIT_DIR", config.auditDir(), "", 0, ""));
    }

    private void archive(Consumer<Finding> found) throws IOException {
        Path directory = config.inbox().walDir();
        if (Inbox.isAbsent(new DiskFiles(), directory)) {
            if (config.copy().isEmpty()) {
                found.accept(Finding.bad(
                        ARCHIVE,
                        "WAL_DIR " + directory + " has no log, which may be lost and archived, so the backend does not"
                                + " start; restore the log with flk-backend wal restore, or begin a new one with"
                                + " flk-backend wal init --new"));
            }
            return;
        }
        Optional<Waiting> oldest = LogArchive.oldestWaiting(new DiskFiles(), directory, Inbox.SEGMENT_PREFIX);
        Duration age = oldest.map(waiting -> Duration.ofMillis(clock.millis() - waiting.closedMillis()))
                .orElse(Duration.ZERO);
        if (age.compareTo(ARCHIVE_LATE) < 0) {
            found.accept(Finding.good(
                    ARCHIVE, "no segment in " + directory + " has waited for " + ErrorMessages.duration(ARCHIVE_LATE)));
            return;
        }
        found.accept(new Finding(
                age.compareTo(ARCHIVE_STOPPED) < 0 ? Grade.DOUBTFUL : Grade.BAD,
                ARCHIVE,
                oldest.map(Waiting::segment).orElse("") + " in " + directory + " has waited for "
                        + ErrorMessages.duration(age)
                        + ": if the backend runs, its log says why WAL_ARCHIVE_COMMAND fails; else start it"));
    }

    /**
     * Compares the clock with the times of the files in the log's directory: if a file is newer than the clock's time,
     * the clock was set back after the file was written.
     */
    private void clock(Consumer<Finding> found) throws IOException {
        Path directory = config.inbox().walDir();
        if (!Files.isDirectory(directory)) {
            return;
        }
        Instant now = clock.instant();
        Instant newest = Instant.EPOCH;
        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : files.toList()) {
                try {
                    Instant written = Files.getLastModifiedTime(file).toInstant();
                    newest = written.isAfter(newest) ? written : newest;
                } catch (NoSuchFileException e) {
                    // ignored: a running backend has renamed or removed the file in the meantime
                }
            }
        }
        Duration back = Duration.between(now, newest);
        found.accept(
                back.compareTo(NOTEWORTHY) > 0
                        ? Finding.bad(
                                CLOCK,
                                "this machine's clock is " + ErrorMessages.duration(back)
                                        + " earlier than the newest file in " + directory
                                        + ": it was set back; synchronise it")
                        : Finding.good(CLOCK, "is not earlier than the files in " + directory));
    }
}
