// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.agents;

import dev.flk.backend.agents.AgentReport.State;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The last report of each agent, in memory: those that this backend has received, and those that other backends of its
 * store share. A report is forgotten after a day; if the bounds are reached, those of the longest silence are forgotten
 * earlier. Safe for any thread; fast enough for an event loop.
 */
public final class AgentReports {
    /** The maximum length of a report in bytes. */
    public static final int MAX_BYTES = 64 << 10;

    /** The maximum number of agents. */
    public static final int MOST_AGENTS = 20_000;

    /** The time after a start within which each agent has reported, by default. */
    static final Duration COMPLETE_AFTER = Duration.ofMinutes(1);

    static final Duration KEPT = Duration.ofDays(1);
    private static final int MAX_ID_BYTES = 256;
    private static final int BYTES_OF_HEAP = 32;
    private static final long LEAST_BYTES = 8 << 20;
    /** The length of the reports of a page after which the page ends. */
    private static final long PAGE_BYTES = 1 << 20;

    private final Duration silentAfter;
    private final InstantSource clock;
    private final AgentMetrics metrics;
    private final long maxBytes;
    private final Instant began;

    // guarded by this
    private final NavigableMap<String, AgentReport> reports = new TreeMap<>();
    private final TreeSet<AgentReport> byAge =
            new TreeSet<>(Comparator.comparing(AgentReport::receivedAt).thenComparing(AgentReport::id));
    /** The reports that are not shared yet; stays empty if no other backend shares the store. */
    private Map<String, AgentReport> unshared = new HashMap<>();

    private long bytes;
    private boolean isShared;
    private boolean isLoaded;

    /** The result of a report. */
    public sealed interface Result {
        record Accepted(Instant receivedAt) implements Result {}

        /** The report was sent before another one, which was received less than five minutes ago. */
        record Older(Instant lastReceivedAt, String lastHost) implements Result {}
    }

    /**
     * A page of the list.
     *
     * @param next the id after which the next page begins; null on the last page
     */
    public record Page(List<AgentReport> reports, @Nullable String next) {}

    /**
     * Creates an object without reports.
     *
     * @param maxBytes the memory for reports
     */
    public AgentReports(AgentConfig config, InstantSource clock, AgentMetrics metrics, long maxBytes) {
        this.silentAfter = config.silentAfter();
        this.clock = clock;
        this.metrics = metrics;
        this.maxBytes = maxBytes;
        this.began = clock.instant();
        metrics.counted = this::counts;
        metrics.unread.watch(this::countUnread);
    }

    /** Returns the memory for reports with a heap of this size. */
    public static long heldBytes(long heapBytes) {
        return Math.max(LEAST_BYTES, heapBytes / BYTES_OF_HEAP);
    }

    /** Returns whether a text can be the id of an agent. */
    public static boolean isId(String text) {
        return !text.isEmpty()
                && text.indexOf('/') < 0
                && text.chars().noneMatch(Character::isISOControl)
                && StandardCharsets.UTF_8.newEncoder().canEncode(text)
                && text.getBytes(StandardCharsets.UTF_8).length <= MAX_ID_BYTES;
    }

    /**
     * Stores a report whose signature was checked, unless it is older than the last one.
     *
     * @param signedAt the time of the signature
     * @throws IllegalArgumentException if the report is not valid; the message says why
     */
    public synchronized Result accept(String id, String body, Instant signedAt) {
        AgentReport report = AgentReport.parse(id, body, signedAt, clock.instant());
        AgentReport last = reports.get(id);
        if (last != null && report.isOlderThan(last)) {
            return new Result.Older(last.receivedAt(), last.instance().host());
        }
        AgentReport stored = put(report, last);
        if (isShared) {
            unshared.put(id, stored);
        }
        metrics.reports.increment();
        return new Result.Accepted(report.receivedAt());
    }

    private AgentReport put(AgentReport report, @Nullable AgentReport last) {
        AgentReport stored = last == null ? report : report.after(last);
        remove(last);
        reports.put(stored.id(), stored);
        byAge.add(stored);
        bytes += stored.bytes();
        while (isFull(0, 0)) {
            remove(byAge.first());
            metrics.forgotten.increment();
        }
        forgetOld();
        return stored;
    }

    private boolean isFull(int more, long moreBytes) {
        return reports.size() + more > MOST_AGENTS || bytes + moreBytes > maxBytes;
    }

    private void remove(@Nullable AgentReport report) {
        if (report != null) {
            reports.remove(report.id());
            byAge.remove(report);
            unshared.remove(report.id());
            bytes -= report.bytes();
        }
    }

    private void forgetOld() {
        Instant oldest = clock.instant().minus(KEPT);
        while (!byAge.isEmpty() && byAge.first().receivedAt().isBefore(oldest)) {
            remove(byAge.first());
        }
    }

    /** Returns the reports that were stored since the last call, and lets later reports be kept for the next call. */
    synchronized Map<String, AgentReport> takeUnshared() {
        isShared = true;
        Map<String, AgentReport> taken = unshared;
        unshared = new HashMap<>();
        return taken;
    }

    /** Takes back reports that could not be shared, unless there are newer ones. */
    synchronized void putBack(Map<String, AgentReport> taken) {
        taken.forEach((id, report) -> {
            if (report.equals(reports.get(id))) {
                unshared.putIfAbsent(id, report);
            }
        });
    }

    /**
     * Takes over a report that a backend has shared, if it is newer than the last one.
     *
     * @return whether it is a report that must still be shared
     */
    synchronized boolean takeShared(String id, String text) {
        Optional<AgentReport> shared = isId(id) ? AgentReport.ofShared(id, text) : Optional.empty();
        if (shared.isEmpty()
                || shared.get().receivedAt().isBefore(clock.instant().minus(KEPT))) {
            return false;
        }
        AgentReport report = shared.get();
        AgentReport last = reports.get(id);
        boolean isNews = last == null || (report.receivedAt().isAfter(last.receivedAt()) && !report.isOlderThan(last));
        boolean hasRoom = last != null
                || !isFull(1, report.bytes())
                || report.receivedAt().isAfter(byAge.first().receivedAt());
        if (isNews && hasRoom) {
            AgentReport unused = put(report, last);
        }
        return true;
    }

    /** Notes that the reports from before the start are known now. */
    synchronized void loaded() {
        isLoaded = true;
    }

    /** Returns the time of the start if agents may have reported before it only; empty once all are known. */
    public synchronized Optional<Instant> incompleteSince() {
        return isLoaded || !clock.instant().isBefore(began.plus(COMPLETE_AFTER))
                ? Optional.empty()
                : Optional.of(began);
    }

    /** Returns the time without a report after which an agent is silent. */
    public Duration silentAfter() {
        return silentAfter;
    }

    public synchronized Optional<AgentReport> find(String id) {
        forgetOld();
        return Optional.ofNullable(reports.get(id));
    }

    /** Returns the reports of all agents with ids that begin with {@code prefix}, by id. */
    public synchronized List<AgentReport> all(String prefix) {
        forgetOld();
        return reports.tailMap(prefix).values().stream()
                .takeWhile(report -> report.id().startsWith(prefix))
                .toList();
    }

    /**
     * Returns a page of the reports of agents by id.
     *
     * @param silentFor only agents that have not stopped and not reported for this time; zero for all agents
     * @param after the id after which the page begins; null for the first page
     */
    public Page list(String prefix, Duration silentFor, @Nullable String after, int limit) {
        Instant now = clock.instant();
        List<AgentReport> page = new ArrayList<>();
        long length = 0;
        for (AgentReport report : all(prefix)) {
            boolean isWanted = silentFor.isZero()
                    || (!report.isStopped() && report.age(now).compareTo(silentFor) >= 0);
            if (isWanted && (after == null || report.id().compareTo(after) > 0)) {
                length += report.bytes();
                if (page.size() == limit || (length > PAGE_BYTES && !page.isEmpty())) {
                    return new Page(page, page.get(page.size() - 1).id());
                }
                page.add(report);
            }
        }
        return new Page(page, null);
    }

    /** Returns the number of agents, neither silent nor stopped, that do not read all of their sources. */
    private long countUnread() {
        Instant now = clock.instant();
        return all("").stream()
                .filter(each ->
                        each.unread() > 0 && each.state(now, silentAfter).compareTo(State.SILENT) < 0)
                .count();
    }

    private Map<State, Integer> counts() {
        Instant now = clock.instant();
        Map<State, Integer> counts = new EnumMap<>(State.class);
        all("").forEach(report -> counts.merge(report.state(now, silentAfter), 1, Integer::sum));
        return counts;
    }
}
