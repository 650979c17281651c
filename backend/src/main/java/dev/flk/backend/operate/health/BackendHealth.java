// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.health;

import dev.flk.backend.access.keys.KeyEntry;
import dev.flk.backend.access.keys.KeyEntry.KeyState;
import dev.flk.backend.access.keys.SigningConfig;
import dev.flk.backend.access.tls.TlsFiles;
import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.config.BackendConfig.InPostgres;
import dev.flk.backend.inbox.Inbox;
import dev.flk.backend.outcomes.StoreConfig;
import dev.flk.backend.outcomes.record.RecordConfig;
import dev.flk.backend.outcomes.redis.RedisProbe;
import dev.flk.backend.sessions.SessionConfig;
import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.backend.stores.postgres.PostgresCheck;
import dev.flk.backend.stores.redis.RedisConfig;
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
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The list of checks for a configuration, and the implementation of the checks that need no running backend. */
public final class BackendHealth {
    /** The largest difference between two clocks that is not reported as bad, as in {@code postgres check}. */
    private static final Duration NOTEWORTHY = Duration.ofSeconds(5);

    /** The remaining lifetime below which a key is reported, as for TLS certificates. */
    private static final Duration KEY_ENDS_SOON = Duration.ofDays(21);

    /**
     * The checks of {@code postgres check} that must succeed for a backend to work. The others are advice, except the
     * check of the clock.
     */
    private static final Set<String> NEEDED_POINTS = Set.of("migrations", "writable");

    /** The ages of a closed segment that is not archived from which on it is reported, as the alert reports them. */
    private static final Duration ARCHIVE_LATE = Duration.ofMinutes(30);

    private static final Duration ARCHIVE_STOPPED = Duration.ofHours(6);

    private static final String ARCHIVE = "archive";
    private static final String CLOCK = "clock";
    private static final String COPY = "copy";
    private static final String DISK = "disk";
    private static final String FEED = "feed";
    private static final String KEYS = "keys";
    private static final String POSTGRES = "postgres";
    /** The durable copy of the sessions. */
    private static final String SESSIONS = "sessions";

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
     * @param state a URL with the host and the port of the state of the running backend; empty if the state is off, or
     *     its configured port is 0
     * @param requestTimeout the longest time of a request to the running backend
     */
    public static List<Check> checks(
            BackendConfig config,
            Optional<URI> probes,
            Optional<URI> state,
            Duration requestTimeout,
            InstantSource clock) {
        BackendHealth health = new BackendHealth(config, clock);
        RunningProcess process = new RunningProcess(config, requestTimeout);
        List<Check> checks = new ArrayList<>();
        checks.add(new Check(RunningProcess.BACKEND, found -> {
            if (probes.isPresent()) {
                process.askReadiness(probes.get(), found);
            } else {
                found.accept(Finding.doubtful(
                        RunningProcess.BACKEND, "is not asked, because its port is 0: only its log names the port"));
            }
        }));
        state.ifPresent(url -> checks.add(new Check(RunningProcess.STATE, found -> process.askState(url, found))));
        Optional<RedisConfig> redis = config.store() instanceof StoreConfig.Redis used
                ? Optional.of(used.server())
                : config.sessions().flatMap(SessionConfig::redis);
        redis.ifPresent(server -> checks.add(new Check("redis", found -> health.redis(server, found))));
        config.inPostgres()
                .ifPresent(used -> checks.add(new Check(POSTGRES, found -> health.postgres(POSTGRES, used, found))));
        config.sessions()
                .flatMap(SessionConfig::database)
                .map(server -> new InPostgres(server, Set.of(Pool.SESSIONS)))
                .ifPresent(used -> checks.add(new Check(SESSIONS, found -> {
                    try {
                        health.postgres(SESSIONS, used, found);
                    } catch (IOException e) {
                        String message = String.valueOf(e.getMessage());
                        throw new IOException(message.replace("POSTGRES_CONN", "SESSION_DATABASE_URL"), e);
                    }
                })));
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
        checks.add(new Check(KEYS, health::keys));
        config.tls()
                .ifPresent(tls -> checks.add(new Check(CertificateExpiry.SUBJECT, found -> health.tls(tls, found))));
        return checks;
    }

    private void redis(RedisConfig server, Consumer<Finding> found) throws IOException, InterruptedException {
        try (RedisProbe probe = RedisProbe.connect(server)) {
            probe.readAndWrite();
            found.accept(Finding.good("redis", probe.name() + " accepts reads and writes"));
            Optional<Duration> ahead = probe.clockAhead(clock);
            if (ahead.isEmpty()) {
                found.accept(Finding.doubtful(
                        CLOCK, "the clock of " + probe.name() + " is not known; add +time to the ACL of this user"));
            } else if (ahead.get().abs().compareTo(NOTEWORTHY) > 0) {
                found.accept(Finding.bad(
                        CLOCK,
                        "the clock of " + probe.name() + " is "
                                + ErrorMessages.duration(ahead.get().abs())
                                + (ahead.get().isNegative() ? " behind" : " ahead")
                                + "; synchronise both clocks, because outcomes expire by the clock of Redis"));
            }
        }
    }

    private void postgres(String subject, InPostgres used, Consumer<Finding> found) throws IOException {
        List<PostgresCheck.Finding> points = new PostgresCheck(used.server(), used.pools(), clock).run();
        List<PostgresCheck.Finding> passed = points.stream()
                .filter(point -> point.grade() == PostgresCheck.Grade.BAD)
                .toList();
        found.accept(Finding.good(
                subject,
                used.server().server() + " answers; " + (points.size() - passed.size()) + " of "
                        + ErrorMessages.count(points.size(), "point")
                        + " of flk-backend postgres check are within their limits"));
        for (PostgresCheck.Finding point : passed) {
            boolean isClock = point.point().equals(CLOCK);
            found.accept(new Finding(
                    isClock || NEEDED_POINTS.contains(point.point()) ? Grade.BAD : Grade.DOUBTFUL,
                    isClock ? CLOCK : subject,
                    (isClock ? "" : point.point() + ": ") + point.measured() + "; " + point.advice()));
        }
    }

    private void disk(Consumer<Finding> found) throws IOException {
        long minFreeBytes = config.inbox().walMinFreeBytes();
        found.accept(directory(
                "WAL_DIR", config.inbox().walDir(), "WAL_MIN_FREE_BYTES", minFreeBytes, "no certificate is accepted"));
        if (config.store() instanceof StoreConfig.Embedded embedded) {
            found.accept(directory(
                    "DEDUP_DIR", embedded.dir(), "WAL_MIN_FREE_BYTES", minFreeBytes, "no outcome is recorded"));
        } else if (config.record().store().orElse(null) instanceof RecordConfig.Store.Embedded embedded) {
            found.accept(directory(
                    "DEDUP_DIR", embedded.directory(), "WAL_MIN_FREE_BYTES", minFreeBytes, "the record stops"));
        }
        Optional<Path> stateDirectory = config.state()
                .flatMap(
                        state -> state.directory().or(() -> state.knownHistory().map(Path::getParent)));
        if (stateDirectory.isPresent()) {
            found.accept(directory(
                    "STATE_DIR",
                    stateDirectory.get(),
                    "STATE_MIN_FREE_BYTES",
                    config.state().get().engine().minFreeBytes(),
                    "no state is written"));
        }
        found.accept(directory("AUDIT_DIR", config.auditDir(), "", 0, ""));
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

    private static Finding directory(
            String setting, Path directory, String limitSetting, long minFreeBytes, String consequence)
            throws IOException {
        Finding writable = Directories.writable(DISK, directory);
        if (writable.grade() == Grade.BAD) {
            return Finding.bad(DISK, setting + ": " + writable.text());
        }
        long free = Directories.freeBytes(directory);
        String left = setting + " " + directory + " has " + ErrorMessages.bytes(free) + " free";
        if (free < minFreeBytes) {
            return Finding.bad(
                    DISK,
                    left + ", less than " + limitSetting + " (" + ErrorMessages.bytes(minFreeBytes) + "): "
                            + consequence + "; free space");
        }
        return free < 2 * minFreeBytes
                ? Finding.doubtful(
                        DISK,
                        left + "; below " + limitSetting + " (" + ErrorMessages.bytes(minFreeBytes) + "), "
                                + consequence + "; free space")
                : Finding.good(DISK, left);
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

    private void keys(Consumer<Finding> found) {
        SigningConfig signing = config.signing();
        if (signing instanceof SigningConfig.Off) {
            found.accept(Finding.doubtful(KEYS, "PCS_SIGN_ALG=none: signatures are not checked"));
        } else if (signing instanceof SigningConfig.Simple simple) {
            found.accept(Finding.good(
                    KEYS, ErrorMessages.count(simple.check().keyIds().size(), "key") + " in the settings"));
        } else if (signing instanceof SigningConfig.Registered registered) {
            keysFile(registered.file(), registered.read().entries(), found);
        }
    }

    private void keysFile(Path file, List<KeyEntry> entries, Consumer<Finding> found) {
        long now = clock.millis();
        List<KeyEntry> usable = entries.stream()
                .filter(key -> key.state() != KeyState.REVOKED && !key.isEarly(now) && !key.isLate(now))
                .toList();
        found.accept(
                usable.isEmpty()
                        ? Finding.bad(
                                KEYS,
                                file + " has no key that may sign now, so no certificate is accepted; "
                                        + "flk-backend keys list says why")
                        : Finding.good(
                                KEYS,
                                usable.size() + " of " + ErrorMessages.count(entries.size(), "key") + " in " + file
                                        + " may sign"));
        String ending = usable.stream()
                .filter(key -> key.isLate(now + KEY_ENDS_SOON.toMillis()))
                .map(key -> key.id() + " on " + key.validUntil())
                .collect(Collectors.joining(", "));
        if (!ending.isEmpty()) {
            found.accept(Finding.doubtful(
                    KEYS, "these expire soon: " + ending + "; give their agents new keys, see docs/keys.md"));
        }
    }

    private void tls(TlsFiles files, Consumer<Finding> found) throws Exception {
        found.accept(CertificateExpiry.ofChain("TLS_CERT " + files.certificate(), files.chain(), clock.instant()));
        if (files.clientAuthorities().isPresent()) {
            found.accept(CertificateExpiry.ofAuthorities(
                    "TLS_CLIENT_CA " + files.clientAuthorities().get(), files.authorities(), clock.instant()));
        }
    }
}
