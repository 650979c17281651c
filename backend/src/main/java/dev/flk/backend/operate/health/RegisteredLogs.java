// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.health;

import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.inbox.Inbox;
import dev.flk.backend.logs.LogEntry;
import dev.flk.backend.logs.LogRegistry;
import dev.flk.backend.logs.Logs;
import dev.flk.backend.logs.postgres.PostgresRegistry;
import dev.flk.backend.logs.redis.RedisRegistry;
import dev.flk.backend.outcomes.StoreConfig;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.health.Finding;
import dev.flk.wal.files.DiskFiles;
import java.io.IOException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * The check of the logs in the registry of a shared store. It reads the registry itself, because no backend may run. It
 * has not seen the entries change, so it judges them by this machine's clock.
 */
public final class RegisteredLogs {
    static final String SUBJECT = "logs";

    /** The age of a report up to which its backend counts as running: clocks may differ, and earlier versions report each minute. */
    private static final Duration RECENT = Duration.ofMinutes(3);

    private static final int SHORT_HASH = 12;

    private final BackendConfig config;
    private final LogRegistry registry;
    private final InstantSource clock;

    private RegisteredLogs(BackendConfig config, LogRegistry registry, InstantSource clock) {
        this.config = config;
        this.registry = registry;
        this.clock = clock;
    }

    /** Returns the registry of a store, which this check only reads; empty if the store is not shared. */
    private static Optional<LogRegistry> registry(StoreConfig store) {
        if (store instanceof StoreConfig.Redis redis) {
            return Optional.of(new RedisRegistry(redis.server()));
        }
        return store instanceof StoreConfig.Postgres postgres
                ? Optional.of(PostgresRegistry.readOnly(postgres.server()))
                : Optional.empty();
    }

    /** Runs the check; finds nothing if the store is not shared. Blocks while the store does not answer. */
    static void check(BackendConfig config, InstantSource clock, Consumer<Finding> found) throws IOException {
        Optional<LogRegistry> opened = registry(config.store());
        if (opened.isPresent()) {
            try (LogRegistry registry = opened.get()) {
                new RegisteredLogs(config, registry, clock).check(found);
            } catch (StoreUnavailableException e) { // the check of the server says what is wrong and what to do
                found.accept(Finding.doubtful(
                        SUBJECT, "are not known, because the store can't be asked: " + e.getMessage()));
            }
        }
    }

    /**
     * Returns the last sequence that the registry has for a log; 0 if it has none, or the store is not shared. Blocks
     * while the store does not answer.
     *
     * @param logId the id of the log in the store, 32 hex digits
     * @throws IOException if the store can't be asked
     */
    public static long usedUpTo(BackendConfig config, String logId) throws IOException {
        Optional<LogRegistry> opened = registry(config.store());
        if (opened.isEmpty()) {
            return 0;
        }
        try (LogRegistry registry = opened.get()) {
            LogEntry entry = registry.update(List.of()).get(logId);
            return entry == null ? 0 : entry.last();
        } catch (StoreUnavailableException e) {
            throw new IOException(e.getMessage(), e);
        }
    }

    private void check(Consumer<Finding> found) throws IOException {
        List<LogEntry> known = registry.update(List.of()).values().stream()
                .filter(entry -> !entry.forgotten())
                .toList();
        boolean isAbsent = Inbox.isAbsent(new DiskFiles(), config.inbox().walDir());
        List<LogEntry> lost =
                known.stream().filter(entry -> isAbsent && isOwn(entry)).toList();
        // whether this backend runs is another check; a log of its name that it does not have any more may be missing
        Optional<String> ownId = Inbox.logId(new DiskFiles(), config.inbox().walDir());
        List<LogEntry> missing = known.stream()
                .filter(entry -> !ownId.map(entry.logId()::equals).orElseGet(() -> isOwn(entry)))
                .filter(entry -> !lost.contains(entry))
                .filter(entry -> !entry.ended() && isOlder(entry, Logs.MISSING_AFTER))
                .toList();
        for (LogEntry entry : lost) {
            found.accept(Finding.bad(
                    SUBJECT,
                    "WAL_DIR " + config.inbox().walDir() + " has no log, but the store knows " + named(entry) + " with "
                            + ErrorMessages.count(entry.last(), "record") + " (" + entry.owner() + ")"
                            + ", so the backend does not start; bring its disk back, or restore it with flk-backend"
                            + " wal restore, or start a new log with flk-backend wal init --new, or, if another"
                            + " backend has that log, set another LOG_NAME"));
        }
        for (LogEntry entry : missing) {
            found.accept(Finding.bad(
                    SUBJECT,
                    named(entry) + " is missing: no backend has reported it for " + age(entry)
                            + "; bring its disk back, or restore it from its archive with flk-backend wal restore, or"
                            + " give it up with flk-backend logs forget"));
        }
        if (lost.isEmpty() && missing.isEmpty()) {
            found.accept(Finding.good(
                    SUBJECT,
                    "the store knows " + ErrorMessages.count(known.size(), "log")
                            + (known.isEmpty() ? "" : ", none of which is missing")));
        }
        List<LogEntry> running = known.stream()
                .filter(entry -> !entry.ended() && !isOlder(entry, RECENT))
                .toList();
        compare(running, LogEntry::policy, "decide by different policies", found);
        compare(running, LogEntry::keys, "have different keys", found);
    }

    private boolean isOwn(LogEntry entry) {
        return entry.name().equals(config.logName());
    }

    private boolean isOlder(LogEntry entry, Duration age) {
        return ageMillis(entry) >= age.toMillis();
    }

    private long ageMillis(LogEntry entry) {
        return clock.millis() - entry.seenMillis();
    }

    private String age(LogEntry entry) {
        return ErrorMessages.duration(Duration.ofSeconds(ageMillis(entry) / 1_000));
    }

    private static String named(LogEntry entry) {
        return "the log " + entry.name() + " (" + entry.logId() + ")";
    }

    private static void compare(
            List<LogEntry> running, Function<LogEntry, String> value, String differ, Consumer<Finding> found) {
        if (running.stream().map(value).distinct().count() > 1) {
            found.accept(Finding.doubtful(
                    SUBJECT,
                    "backends of this store " + differ + ": "
                            + running.stream()
                                    .map(entry -> entry.name() + " has " + start(value.apply(entry)))
                                    .collect(Collectors.joining(", "))
                            + "; if no rollout is under way, give all the same settings"));
        }
    }

    private static String start(String hash) {
        return hash.substring(0, Math.min(SHORT_HASH, hash.length()));
    }
}
