// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.logs;

import dev.flk.backend.logs.LogRegistry.Change;
import dev.flk.backend.logs.Logs.RegistryMetrics;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.program.logging.Audit;
import dev.flk.program.metrics.Metrics;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The logs of a store as one backend sees them, whose log is {@code own}; for tests of what shows them. */
public final class SeenLogs {
    private final Map<String, LogEntry> entries = new LinkedHashMap<>();
    private final Instant start;
    private final Logs logs;
    private long elapsedNanos;
    private boolean isDown;

    /** The registry, in memory. */
    private final class InMemory implements LogRegistry {
        @Override
        public Map<String, LogEntry> update(List<Change> changes) {
            if (isDown) {
                throw new StoreUnavailableException("the store does not answer");
            }
            Map<String, LogEntry> before = new LinkedHashMap<>(entries);
            changes.forEach(change -> LogRegistry.apply(change, entries));
            return before;
        }

        @Override
        public void close() {}
    }

    public SeenLogs(Instant start, Audit audit) {
        this.start = start;
        this.logs = new Logs(
                new InMemory(),
                () -> entry(1, "own", Duration.ZERO),
                () -> true,
                Duration.ofDays(14),
                this::now,
                () -> elapsedNanos,
                new RegistryMetrics(new Metrics("1")),
                audit);
    }

    private Instant now() {
        return start.plusNanos(elapsedNanos);
    }

    public Logs registered() {
        return logs;
    }

    /** Returns an entry whose ids have this number, as it was reported some time ago. */
    public LogEntry entry(int number, String name, Duration ago) {
        return new LogEntry(
                "%032x".formatted(number),
                name,
                "%016x".formatted(number),
                "host:1",
                "1.0",
                "0123456789abcdef0123",
                "",
                0,
                now().minus(ago).toEpochMilli(),
                number * 1_000L,
                0,
                false,
                false,
                new LogEntry.Figures("https://h/ui", 1L, 2L, null, 3L));
    }

    /** Adds or replaces an entry, and reads the registry. */
    public void report(LogEntry entry) {
        entries.put(entry.logId(), entry);
        logs.look();
    }

    /** Lets time pass in which only this backend reports its log. */
    public void pass(Duration time) {
        elapsedNanos += time.toNanos();
        logs.look();
    }

    /** Makes the registry fail from now on. */
    public void fail() {
        isDown = true;
        logs.look();
    }
}
