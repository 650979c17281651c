// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page.now;

import dev.flk.backend.logs.LogEntry;
import dev.flk.backend.logs.LogEntry.Figures;
import dev.flk.backend.logs.Logs;
import dev.flk.backend.logs.Logs.RegisteredLog;
import dev.flk.backend.logs.Logs.Status;
import dev.flk.backend.serve.page.Pages;
import dev.flk.backend.serve.page.now.Problems.Level;
import dev.flk.backend.serve.page.now.Problems.Link;
import dev.flk.backend.serve.page.now.Problems.Problem;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The part of the view <i>Now</i> with the logs of the backend's store and the backends that report them.
 *
 * @param backends the backends whose logs are not missing, by their names; empty if there is only one
 * @param logs the logs, those that are missing first
 * @param problem why the registry of logs can't be read now; empty if it can
 */
public record LogsView(List<Backend> backends, List<Log> logs, Optional<String> problem) {
    private static final int SHORT = 12;

    /** The time after a start within which a backend has written the end of its log to the record, or reports a lag. */
    private static final Duration CATCHES_UP_IN = Duration.ofMinutes(2);

    /**
     * The longest time for which minutes of the record are counted again because of another backend. It is less than
     * what is counted at once, so that a backend that reports nonsense can't stop the counting.
     */
    static final Duration RECOUNTED = Duration.ofMinutes(58);

    private static final List<Link> TABLE = List.of(new Link("the logs", "#logs"));

    /**
     * A log.
     *
     * @param status what its backend is doing
     * @param seen the time since the last report
     */
    public record Log(
            String name,
            String id,
            String status,
            boolean isMissing,
            String seen,
            String records,
            String archived,
            String policy,
            String keys) {
        private static Log of(RegisteredLog log, Instant now) {
            LogEntry entry = log.entry();
            return new Log(
                    entry.name(),
                    entry.logId(),
                    log.status().name().toLowerCase(Locale.ROOT),
                    log.status() == Status.MISSING,
                    age(entry, now) + " ago",
                    number(entry.last()),
                    entry.archivedUpTo() == 0 ? "–" : number(entry.archivedUpTo()),
                    start(entry.policy()),
                    start(entry.keys()));
        }

        private static String age(LogEntry entry, Instant now) {
            long seconds = Duration.between(Instant.ofEpochMilli(entry.seenMillis()), now)
                    .toSeconds();
            return Pages.duration((double) Math.max(0, seconds));
        }

        private static String number(long value) {
            return String.format(Locale.ROOT, "%,d", value);
        }

        private static String start(String hash) {
            return hash.isEmpty() ? "–" : hash.substring(0, Math.min(SHORT, hash.length()));
        }

        private boolean isUp() {
            return status.equals("up");
        }

        private boolean isQuiet() {
            return status.equals("quiet");
        }
    }

    /**
     * A backend, as it reported itself last.
     *
     * @param url the address of its page; null if it is not known
     * @param isThis whether it is the one whose page this is
     * @param problems the number of problems that it sees, or for how long it has not reported
     * @param version its version and policy, each marked if it is another one than that of this backend
     */
    public record Backend(
            String name,
            @Nullable String url,
            boolean isThis,
            String problems,
            String waiting,
            String reviews,
            String lag,
            Compared version,
            Compared policy) {
        private static Backend of(RegisteredLog log, LogEntry own, Instant now) {
            boolean isThis = log.entry().logId().equals(own.logId());
            LogEntry entry = isThis ? own : log.entry();
            Figures figures = entry.figures() == null ? Figures.NONE : entry.figures();
            return new Backend(
                    entry.name(),
                    figures.url(),
                    isThis,
                    log.status() == Status.UP ? known(figures.problems()) : "no report for " + Log.age(entry, now),
                    known(figures.waiting()),
                    known(figures.reviews()),
                    figures.lagSeconds() == null ? "–" : Pages.duration(figures.lagSeconds()),
                    new Compared(entry.version(), !entry.version().equals(own.version())),
                    new Compared(Log.start(entry.policy()), !entry.policy().equals(own.policy())));
        }

        private static String known(@Nullable Long number) {
            return number == null ? "–" : Log.number(number);
        }

        /** Returns whether it sees problems. */
        public boolean hasProblems() {
            return !problems.matches("[–0]");
        }
    }

    /** A value of a backend, and whether it is another one than that of this backend. */
    public record Compared(String text, boolean isOther) {}

    private static List<Backend> backends(Logs registry, List<RegisteredLog> logs, Instant now) {
        LogEntry own = registry.own();
        List<Backend> inUse = logs.stream()
                .filter(RegisteredLog::isInUse)
                .map(log -> Backend.of(log, own, now))
                .toList();
        return inUse.size() < 2 ? List.of() : inUse;
    }

    /** Returns how long certificates that other backends have answered may wait until they are in a shared record. */
    public static Duration behind(Logs registry) {
        String own = registry.own().logId();
        return registry.view().logs().stream()
                .filter(log -> log.isInUse() && !log.entry().logId().equals(own))
                .map(LogsView::behind)
                .max(Comparator.naturalOrder())
                .orElse(Duration.ZERO);
    }

    /** Returns how long certificates of a backend may wait; compares no clocks of two machines. */
    private static Duration behind(RegisteredLog log) {
        LogEntry entry = log.entry();
        if (entry.seenMillis() - entry.startedMillis() < CATCHES_UP_IN.toMillis()) {
            return RECOUNTED; // it may write what it answered before it was killed
        }
        Long lag = entry.figures() == null ? null : entry.figures().lagSeconds();
        Duration behind = log.unchanged().plusSeconds(lag == null ? 0 : lag);
        return behind.compareTo(RECOUNTED) < 0 ? behind : RECOUNTED;
    }

    /** Returns the logs of a store that backends share, or that is archived; empty for others, which have one log. */
    public static Optional<LogsView> of(Logs registry, Instant now) {
        Logs.View seen = registry.view();
        if (!registry.isShared()
                && seen.logs().stream().allMatch(log -> log.entry().archivedUpTo() == 0)) {
            return Optional.empty();
        }
        List<Log> logs = seen.logs().stream()
                .map(log -> Log.of(log, now))
                .sorted(Comparator.comparing(log -> !log.isMissing()))
                .toList();
        return Optional.of(new LogsView(backends(registry, seen.logs(), now), logs, seen.problem()));
    }

    /** Returns a problem for each missing log, for each backend that has not reported for 30 seconds, and for settings in which running backends differ. */
    List<Problem> problems() {
        List<Problem> found = new ArrayList<>();
        for (Log log : logs) {
            if (log.isMissing()) {
                found.add(new Problem(
                        Level.CRITICAL,
                        "log missing " + log.name(),
                        "The log " + log.name() + " is missing: no backend has reported it for "
                                + log.seen().replace(" ago", "") + ".",
                        "Bring its disk back, restore it with flk backend wal restore, or give it up with flk backend"
                                + " logs forget " + log.name() + ". Follow the runbook LogMissing.",
                        TABLE));
            } else if (log.isQuiet()) {
                found.add(new Problem(
                        Level.NOTICE,
                        "backend quiet " + log.name(),
                        "The backend " + log.name() + " has not reported for "
                                + log.seen().replace(" ago", "") + ".",
                        "It has stopped, or can't reach the store. Follow the runbook BackendDown.",
                        TABLE));
            }
        }
        if (differ(Log::policy)) {
            found.add(new Problem(
                    Level.WARNING,
                    "policies differ",
                    "Backends of this store decide by different policies.",
                    "If no rollout is under way, follow the runbook PoliciesDiffer.",
                    TABLE));
        }
        if (differ(Log::keys)) {
            found.add(new Problem(
                    Level.WARNING,
                    "keys differ",
                    "Backends of this store have different keys.",
                    "If no rollout is under way, give all the same KEYS_FILE, or the same keys in their settings.",
                    TABLE));
        }
        return found;
    }

    private boolean differ(Function<Log, String> value) {
        return logs.stream().filter(Log::isUp).map(value).distinct().count() > 1;
    }
}
