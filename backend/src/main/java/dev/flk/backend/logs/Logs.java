// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.logs;

import dev.flk.backend.logs.ForgettableLog.NotForgettableException;
import dev.flk.backend.logs.LogRegistry.Change;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.program.logging.Audit;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.Metrics.Count;
import dev.flk.program.metrics.Metrics.Gauge;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The backends of one store, as this backend sees them. It reports its log to the registry every ten seconds, and at once
 * when its policy or keys change; it reads the registry every few seconds. Nothing else waits for it. A registry that was
 * emptied is filled again by all backends that have read it before.
 *
 * <p>The clocks of backends may differ, so whether a log is still reported is judged by changes of its entry that this
 * backend has seen, in elapsed time. Safe for any thread.
 */
public final class Logs implements AutoCloseable {
    /** The time without a report after which a log is missing. */
    public static final Duration MISSING_AFTER = Duration.ofMinutes(10);

    /** The time without a report after which a log whose last report is old by the wall clock is missing, too. */
    static final Duration SURELY_QUIET = Duration.ofSeconds(90);

    static final Duration LOOK_EVERY = Duration.ofSeconds(5);
    private static final Duration REPORT_EVERY = Duration.ofSeconds(10);

    /** The time without a report after which a backend does not count as running. */
    private static final Duration QUIET_AFTER = REPORT_EVERY.multipliedBy(3);

    /** The same of a backend of an earlier version, which reports each minute, and of an entry's age by the wall clock. */
    private static final Duration SLOW_QUIET_AFTER = Duration.ofMinutes(3);

    private static final long FINISH_SECONDS = 5;
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.logs");

    private final LogRegistry registry;
    private final Supplier<LogEntry> own;
    private final BooleanSupplier ownsLog;
    private final Duration keep;
    private final InstantSource clock;
    private final LongSupplier nanoTicker;
    private final RegistryMetrics metrics;
    private final Audit audit;
    private final ScheduledExecutorService timer =
            Executors.newSingleThreadScheduledExecutor(task -> new Thread(task, "logs"));

    /** Held by the thread that uses the registry. */
    private final ReentrantLock turn = new ReentrantLock();

    private final KeyQuestions keys;

    // guarded by turn
    private final RegistryWarnings warnings = new RegistryWarnings();
    private final Map<String, Seen> seen = new LinkedHashMap<>();
    /** When the registry was read last, on the ticker. */
    private long readNanos;

    /** The last report that the registry has acknowledged, and when. */
    private @Nullable LogEntry reported;

    private long reportedNanos;
    /** Whether a later report may be lost. */
    private boolean mustReport;

    private boolean isFirst = true;

    private volatile View view = new View(List.of(), Optional.empty(), Optional.of("it was not read yet"));
    private volatile Set<String> forgotten = Set.of();
    private volatile int backends = 1;

    /** Whether the registry has had the log of this backend. */
    private volatile boolean isRegistered;

    /** An entry, and when it was seen to change, on the ticker. */
    private record Seen(LogEntry entry, long changedNanos, boolean hasChanged) {
        Seen next(LogEntry read, long nowNanos) {
            boolean isSame =
                    entry.seenMillis() == read.seenMillis() && entry.instance().equals(read.instance());
            return isSame ? new Seen(read, changedNanos, hasChanged) : new Seen(read, nowNanos, true);
        }

        Seen later(long nanos, boolean isUp) {
            return new Seen(entry, changedNanos + nanos, hasChanged || isUp);
        }
    }

    /** The status of a log and its backend. */
    public enum Status {
        /** The backend has reported the log within the last 30 seconds. */
        UP,
        /** The backend has not reported the log for 30 seconds. */
        QUIET,
        /** No backend has reported the log for ten minutes, and none has ended cleanly. */
        MISSING,
        /** The backend ended cleanly. */
        ENDED,
        /** An operator gave up the log. */
        FORGOTTEN
    }

    /**
     * A log with its status.
     *
     * @param unchanged the time since the last report, measured by this backend
     */
    public record RegisteredLog(LogEntry entry, Status status, Duration unchanged) {
        /** Returns whether a backend may still write the log, so that it can't be given up. */
        public boolean isInUse() {
            return status == Status.UP || status == Status.QUIET;
        }
    }

    /**
     * The registry as it was read last.
     *
     * @param logs the logs, by their names
     * @param readAt when it was read; empty if it never was
     * @param problem why the last attempt failed; empty if it succeeded
     */
    public record View(List<RegisteredLog> logs, Optional<Instant> readAt, Optional<String> problem) {}

    /**
     * Creates the view; nothing is read or reported before {@link #start}.
     *
     * @param registry owned by the caller, who must not use it any more until this object is closed
     * @param own a supplier of this backend's entry, with the current time
     * @param ownsLog whether this backend has closed its log and owned it until then; otherwise, its end is not clean
     * @param keep the time for which the entry of a log that ended or was given up is needed
     */
    public Logs(
            LogRegistry registry,
            Supplier<LogEntry> own,
            BooleanSupplier ownsLog,
            Duration keep,
            InstantSource clock,
            LongSupplier nanoTicker,
            RegistryMetrics metrics,
            Audit audit) {
        this.registry = registry;
        this.own = own;
        this.ownsLog = ownsLog;
        this.keep = keep;
        this.clock = clock;
        this.nanoTicker = nanoTicker;
        this.metrics = metrics;
        this.audit = audit;
        this.keys = new KeyQuestions(nanoTicker);
        metrics.missing.watch(() -> view.problem().isPresent() ? Double.NaN : count(Status.MISSING));
        metrics.backends.watch(() -> count(Status.UP));
    }

    /** Starts to report and to look. */
    public Logs start() {
        timer.scheduleWithFixedDelay(this::look, 0, LOOK_EVERY.toMillis(), TimeUnit.MILLISECONDS);
        return this;
    }

    private double count(Status status) {
        View now = view;
        return now.problem().isPresent()
                ? Double.NaN
                : now.logs().stream().filter(log -> log.status() == status).count();
    }

    /** Returns whether other backends may use the registry of this backend. */
    public boolean isShared() {
        return registry.isShared();
    }

    /** Returns the registry as it was read last. */
    public View view() {
        return view;
    }

    /**
     * Returns the number of backends that reported their logs when the registry was read last, with this one; 1 before the
     * first time. Does not block.
     */
    public int backends() {
        return backends;
    }

    /** Returns the entry of this backend as it is now. */
    public LogEntry own() {
        return own.get();
    }

    /** Returns whether an operator gave up the log with this id. */
    public boolean isForgotten(String logId) {
        return forgotten.contains(logId);
    }

    /**
     * Finds out whether other backends have other keys than this one, which may be newer, from a look that begins after
     * this call. The answer is no once the keys have differed for ten minutes, and if the registry can't be read for ten
     * minutes.
     *
     * @param then called once, on any thread; must not block
     */
    public void ask(Consumer<Boolean> then) {
        if (!registry.isShared()) {
            then.accept(false);
            return;
        }
        keys.ask(then, waitNanos -> timer.schedule(this::look, waitNanos, TimeUnit.NANOSECONDS));
    }

    /** Reports this backend if that is due, and reads the registry. */
    void look() {
        List<Consumer<Boolean>> asked = keys.taken();
        boolean isOpen = false;
        turn.lock();
        try {
            isOpen = looked();
        } catch (RuntimeException | VirtualMachineError e) { // if it propagated, the timer would end silently
            LOG.error("looking at the registry of logs failed and will be repeated", e);
        } finally {
            turn.unlock();
            KeyQuestions.answer(asked, isOpen);
        }
    }

    /** Returns whether a refusal of a signature is left open. */
    private boolean looked() {
        LogEntry mine = own.get();
        long now = nanoTicker.getAsLong();
        LogEntry before = reported;
        boolean isDue = before == null
                || mustReport
                || now - reportedNanos >= REPORT_EVERY.toNanos()
                || !before.keys().equals(mine.keys())
                || !before.policy().equals(mine.policy());
        try {
            Map<String, LogEntry> found = registry.update(isDue ? List.of(new Change.Put(mine)) : List.of());
            LogEntry held = found.get(mine.logId());
            boolean wentBack = before != null && (held == null || held.seenMillis() < before.seenMillis());
            long reportedBefore = reportedNanos;
            if (isDue) {
                if (reported != null) {
                    RegistryWarnings.warnOfAnotherOwner(mine, held);
                }
                mustReport = false;
                reported = mine;
                reportedNanos = now;
                isRegistered = true;
                found.put(mine.logId(), mine);
            }
            restoreAndPrune(found, wentBack ? Long.MIN_VALUE : reportedBefore);
            take(found, now);
        } catch (StoreUnavailableException e) {
            mustReport = true;
            failed(String.valueOf(e.getMessage()));
        }
        return keys.areLeftOpen(mine, view, now);
    }

    /**
     * Adds entries that the registry has lost, and removes entries that nobody needs. The registry still has what was
     * written before {@code keptNanos}, so an older entry that it lacks was removed by somebody, and stays removed.
     */
    private void restoreAndPrune(Map<String, LogEntry> found, long keptNanos) {
        List<Change> changes = new ArrayList<>();
        for (LogEntry entry : found.values()) {
            if (isNeedless(entry)) {
                changes.add(new Change.Remove(entry.logId()));
            }
        }
        for (Seen known : seen.values()) {
            boolean isLost = known.changedNanos() >= keptNanos
                    && !found.containsKey(known.entry().logId());
            if (isLost && !isNeedless(known.entry())) {
                changes.add(new Change.Add(known.entry()));
            }
        }
        if (!changes.isEmpty()) {
            registry.update(changes);
            changes.forEach(change -> LogRegistry.apply(change, found));
        }
    }

    private boolean isNeedless(LogEntry entry) {
        return (entry.ended() || entry.forgotten())
                && clock.millis() - entry.seenMillis() >= keep.plusDays(1).toMillis();
    }

    private void take(Map<String, LogEntry> found, long now) {
        if (!view.problem().isEmpty() && !isFirst) {
            LOG.info("the registry of logs can be read again");
        }
        Map<String, Seen> before = new HashMap<>(seen);
        // others could not report while the registry could not be read, so that time does not count
        long unreadableNanos = view.problem().isPresent() ? now - readNanos : 0;
        readNanos = now;
        Set<String> up = ids(view.logs(), Status.UP);
        seen.clear();
        List<RegisteredLog> logs = new ArrayList<>();
        for (LogEntry entry : found.values()) {
            Seen known = before.get(entry.logId());
            Seen next = known == null
                    ? new Seen(entry, now, false)
                    : known.later(unreadableNanos, up.contains(entry.logId())).next(entry, now);
            seen.put(entry.logId(), next);
            logs.add(new RegisteredLog(entry, status(next, now), unchanged(next, now)));
        }
        logs.sort(Comparator.comparing((RegisteredLog log) -> log.entry().name())
                .thenComparing(log -> log.entry().logId()));
        forgotten = ids(logs, Status.FORGOTTEN);
        backends = Math.max(1, ids(logs, Status.UP).size());
        view = new View(List.copyOf(logs), Optional.of(clock.instant()), Optional.empty());
        isFirst = false;
        warnings.warnOfMissing(logs);
        warnings.warnOfPolicies(own.get(), logs);
    }

    private Duration unchanged(Seen known, long now) {
        Duration seen = Duration.ofNanos(now - known.changedNanos());
        Duration reported = Duration.ofMillis(clock.millis() - known.entry().seenMillis());
        return known.hasChanged() || reported.compareTo(seen) < 0 ? seen : reported;
    }

    private static Set<String> ids(List<RegisteredLog> logs, Status status) {
        return logs.stream()
                .filter(log -> log.status() == status)
                .map(log -> log.entry().logId())
                .collect(Collectors.toUnmodifiableSet());
    }

    private Status status(Seen known, long now) {
        LogEntry entry = known.entry();
        long quietNanos = now - known.changedNanos();
        long oldMillis = clock.millis() - entry.seenMillis();
        if (entry.forgotten()) {
            return Status.FORGOTTEN;
        }
        if (entry.ended()) {
            return Status.ENDED;
        }
        boolean isOld = oldMillis >= MISSING_AFTER.toMillis();
        if (quietNanos >= MISSING_AFTER.toNanos() || (isOld && quietNanos >= SURELY_QUIET.toNanos())) {
            return Status.MISSING;
        }
        Duration quietAfter = entry.figures() == null ? SLOW_QUIET_AFTER : QUIET_AFTER;
        return quietNanos >= quietAfter.toNanos() || (!known.hasChanged() && oldMillis >= SLOW_QUIET_AFTER.toMillis())
                ? Status.QUIET
                : Status.UP;
    }

    private void failed(String what) {
        metrics.failures.increment();
        if (view.problem().isEmpty() || isFirst) {
            LOG.warn("the registry of logs can't be used, and will be tried again: {}", what);
        }
        isFirst = false;
        view = new View(view.logs(), view.readAt(), Optional.of(what));
    }

    /**
     * Reports that this backend is about to use other keys. A backend that refuses a signature after this call returns
     * knows of them. Blocks for a bounded time; if the registry fails, the report follows later.
     *
     * @param keys the version of the keys
     */
    public void announceKeys(String keys) {
        try {
            change(own.get().withKeys(keys));
        } catch (StoreUnavailableException e) {
            LOG.warn("other backends could not be informed of new keys in advance: {}", e.getMessage());
        }
    }

    /**
     * Makes sure that the registry has the log of this backend. If the log were lost before that, it would seem never
     * to have existed.
     *
     * @param keys the version of the keys in force
     * @return fails with {@link StoreUnavailableException} if the registry fails
     */
    public CompletionStage<?> register(String keys) {
        return isRegistered || !registry.isShared()
                ? CompletableFuture.completedFuture(null)
                : CompletableFuture.runAsync(
                        () -> {
                            change(own.get().withKeys(keys));
                            isRegistered = true;
                        },
                        timer);
    }

    private void change(LogEntry entry) {
        turn.lock();
        try {
            registry.update(List.of(new Change.Put(entry)));
        } finally {
            turn.unlock();
        }
    }

    /**
     * Gives up a log that no backend reports. Blocks for a bounded time.
     *
     * @param name the name or the id of the log
     * @param user who asked for it, for the audit log
     * @return the log's entry
     * @throws NotForgettableException if there is no such log, several have that name, or a backend reports it
     * @throws StoreUnavailableException if the registry fails
     */
    public LogEntry forget(String name, String user) throws NotForgettableException {
        look();
        View now = view;
        if (now.problem().isPresent()) {
            throw new StoreUnavailableException(now.problem().get());
        }
        LogEntry given = ForgettableLog.find(now, name, clock.millis()).forget();
        change(given);
        look();
        audit.operation("log_forgotten", Map.of("log", given.name(), "log_id", given.logId(), "user", user));
        LOG.warn("{} gave up the log {} ({})", user, given.name(), given.logId());
        return given;
    }

    /** Reports the end of this backend if it is a clean one, and releases all resources. Blocks for a few seconds at most. */
    @Override
    public void close() {
        timer.shutdown();
        try {
            if (timer.awaitTermination(FINISH_SECONDS, TimeUnit.SECONDS)) {
                if (ownsLog.getAsBoolean()) {
                    announceEnd();
                }
            } else {
                LOG.warn("the end of this backend could not be reported in time");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        KeyQuestions.answer(keys.taken(), false);
    }

    /** Reports the end, unless another backend has taken over the log. */
    private void announceEnd() {
        LogEntry mine = own.get();
        try {
            LogEntry held = registry.update(List.of()).getOrDefault(mine.logId(), mine);
            if (held.instance().equals(mine.instance())) {
                registry.update(List.of(new Change.Put(mine.end())));
            }
        } catch (StoreUnavailableException e) {
            LOG.warn("the end of this backend could not be reported: {}", e.getMessage());
        }
    }

    /** The metrics of the registry. */
    public static final class RegistryMetrics extends Metrics.Feature {
        private final Gauge missing = gauge(
                "flk_logs_missing",
                "Logs that no backend has reported for ten minutes, and that did not end cleanly; NaN if unknown.");
        private final Gauge backends =
                gauge("flk_backends", "Backends of this store that report their logs; NaN if unknown.");
        private final Gauge clockAhead = gauge(
                "flk_clock_ahead_seconds",
                "Time by which the clock is ahead of the median of those of the other backends and of agents; negative"
                        + " if it is behind, NaN without others.");
        private final Count failures =
                counter("flk_registry_failures_total", "Failed attempts to read or change the registry of logs.");

        public RegistryMetrics(Metrics metrics) {
            super(metrics);
            clockAhead.watch(() -> Double.NaN);
        }

        /** Shows the comparison of clocks. */
        public void watch(Clocks clocks) {
            clockAhead.watch(clocks::aheadSeconds);
        }
    }
}
