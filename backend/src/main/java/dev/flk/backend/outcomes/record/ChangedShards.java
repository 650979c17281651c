// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import dev.flk.backend.outcomes.record.OutcomeRows.Shape;
import dev.flk.backend.outcomes.record.ShardChange.Measure;
import dev.flk.backend.outcomes.record.ShardChange.State;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.Metrics.Sample;
import dev.flk.program.time.DaemonThreads;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The shards whose newest outcome is unlike their earlier ones, see {@link ShardChange}. A thread compares each shard
 * once after the start, with its outcomes of the last hour, and again after new outcomes, in the order in which they become due, and several with one
 * question. After each slice of work, the thread rests 49 times the processor time of the slice, so it takes at most 2 %
 * of one core whatever the number of shards; if the rows are on a server, it rests 49 times as long as the slice took,
 * but at most ten seconds, because a slow slice has mostly waited. A shard that can't be read stays due. Safe for any thread.
 *
 * <p>The names are walked in their order at the start and every {@link #WALK_EVERY}, to find the shards of the record
 * and to forget those that it no longer has. If several backends share the rows, only the walk finds the outcomes of
 * the others, so it compares every shard; these take turns with the shards that are due.
 */
public final class ChangedShards implements AutoCloseable {
    /** The time for which a shard that changed is listed although its newest outcome is as usual. */
    public static final Duration LISTED = Duration.ofHours(1);

    /** The maximum number of shards that are compared; a shard takes about 100 bytes, and twice as many while it is due. */
    static final int MOST_SHARDS = 200_000;

    /** The maximum number of outcomes of the last hour that are compared at once: one in five seconds. */
    private static final int MOST_IN_HOUR = 720;

    private static final Logger LOG = LoggerFactory.getLogger(ChangedShards.class);
    private static final Duration WALK_EVERY = Duration.ofMinutes(10);
    private static final int NAMES_AT_ONCE = 1_000;
    private static final int SHARDS_AT_ONCE = 64;
    private static final int RESTS_PER_WORK = 49;
    private static final long SLICE_NANOS = TimeUnit.MILLISECONDS.toNanos(20);
    private static final long IDLE_NANOS = TimeUnit.SECONDS.toNanos(1);
    private static final long MOST_SHARED_REST_NANOS = TimeUnit.SECONDS.toNanos(10);

    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

    private final OutcomeRows rows;
    private final InstantSource clock;
    private final ScheduledThreadPoolExecutor timer =
            new ScheduledThreadPoolExecutor(1, DaemonThreads.named("shard-changes"));

    // guarded by this
    /** The latest comparison of each known shard, by the hash of its name. */
    private final Map<Long, ShardChange> looks = new HashMap<>();
    /** The known shards that the walk has found, or that have new outcomes since the end of the walk before. */
    private final Set<Long> seen = new HashSet<>();
    /** The shards whose newest outcome, or one of the last hour, differs from the outcomes before it. */
    private final Map<String, ShardChange> changed = new TreeMap<>();
    /** The known shards with an outcome that was not compared yet. */
    private final Set<String> due = new LinkedHashSet<>();

    private int beyond;

    // used by the thread that compares
    private final Queue<String> revisited = new ArrayDeque<>();
    private @Nullable String walkedTo;
    private int walked;
    private boolean isDueNext;
    private boolean isRevisit;
    private long nextWalkMillis;
    private volatile boolean isCounted;

    /** The metrics of comparisons. */
    public static final class ChangeMetrics extends Metrics.Feature {
        private volatile Supplier<List<Sample>> changed = List::of;
        private final Metrics.Gauge notLookedAt = gauge(
                "flk_shards_not_looked_at",
                "Shards with an outcome that was not compared with the earlier ones yet; NaN until they are counted.");

        public ChangeMetrics(Metrics metrics) {
            super(metrics);
            notLookedAt.watch(() -> Double.NaN);
            gaugeFamily(
                    "flk_shards_changed",
                    "Shards whose shape changed within the last hour, by the value that changed most; missing if"
                            + " CHANGE_ALERT is off.",
                    List.of("measure"),
                    () -> changed.get());
        }

        /**
         * Shows the numbers of these shards.
         *
         * @param hasAlert whether the number of changed shards is shown
         */
        public void watch(ChangedShards shards, boolean hasAlert) {
            notLookedAt.watch(() -> shards.isCounted ? shards.notLookedAt() : Double.NaN);
            if (hasAlert) {
                changed = shards::samples;
            }
        }
    }

    public ChangedShards(OutcomeRows rows, InstantSource clock) {
        this.rows = rows;
        this.clock = clock;
    }

    /** Starts to compare. */
    public ChangedShards start() {
        schedule(IDLE_NANOS);
        return this;
    }

    private void schedule(long nanos) {
        if (!timer.isShutdown()) {
            var unused = timer.schedule(this::slice, nanos, TimeUnit.NANOSECONDS);
        }
    }

    private void slice() {
        long began = System.nanoTime();
        long beganWork = workNanos();
        long rest = IDLE_NANOS;
        try {
            boolean isMore = true;
            while (isMore && System.nanoTime() - began < SLICE_NANOS && !timer.isShutdown()) {
                isMore = step();
            }
            long work = (workNanos() - beganWork) * RESTS_PER_WORK;
            rest = Math.max(
                    rows.areShared() ? Math.min(work, MOST_SHARED_REST_NANOS) : work,
                    isMore ? SLICE_NANOS : IDLE_NANOS);
        } catch (RecordUnavailableException e) {
            LOG.debug("shards could not be compared with their past; they will be", e); // the record reports its outage
        } catch (RuntimeException e) {
            rest = WALK_EVERY.toNanos();
            LOG.error("a shard could not be compared with its past; the next attempt is in ten minutes", e);
        }
        schedule(rest);
    }

    private long workNanos() {
        boolean isHere =
                !rows.areShared() && THREADS.isCurrentThreadCpuTimeSupported() && THREADS.isThreadCpuTimeEnabled();
        return isHere ? THREADS.getCurrentThreadCpuTime() : System.nanoTime();
    }

    /**
     * Compares some shards, or reads some names. Called by one thread at a time.
     *
     * @return whether there is more to do
     * @throws RecordUnavailableException if the record can't be read; the shards stay due
     */
    public boolean step() {
        long now = clock.millis();
        if (revisited.isEmpty() && (walkedTo != null || now >= nextWalkMillis)) {
            walk(now);
            return true;
        }
        List<String> names = new ArrayList<>();
        for (String name = next(); name != null; name = names.size() < atOnce() ? next() : null) {
            names.add(name);
        }
        if (names.isEmpty()) {
            return false;
        }
        try {
            compare(names);
        } catch (RuntimeException e) {
            names.forEach(this::recorded);
            throw e;
        }
        return true;
    }

    /**
     * Compares the newest outcome of each of some shards. A shard that may have changed before it, because it was not
     * compared since the start or its outcomes may be those of other backends, is compared with all of the last hour.
     */
    private void compare(List<String> names) {
        long from = hourAgo();
        Map<String, List<Shape>> newest = rows.shapes(names, 1 + ShardChange.MOST_BEFORE);
        List<String> more = new ArrayList<>();
        newest.forEach((name, shapes) -> {
            boolean isNew = isRevisit || of(name).state() == State.NOT_LOOKED_AT;
            if (isNew
                    && shapes.stream()
                                    .filter(each -> each.receivedMillis() >= from)
                                    .count()
                            > 1) {
                more.add(name);
            } else {
                set(name, ShardChange.of(shapes), Optional.empty());
            }
        });
        if (!more.isEmpty()) {
            rows.shapes(more, 1 + ShardChange.MOST_BEFORE + MOST_IN_HOUR)
                    .forEach((name, shapes) -> set(name, ShardChange.of(shapes), ShardChange.lastChange(shapes, from)));
        }
    }

    /** On a server, each shard is a question. */
    private int atOnce() {
        return rows.areShared() ? 1 : SHARDS_AT_ONCE;
    }

    private @Nullable String next() {
        isDueNext = !isDueNext || revisited.isEmpty();
        String name = isDueNext ? firstDue() : null;
        isRevisit = name == null && !revisited.isEmpty();
        return name == null ? revisited.poll() : name;
    }

    private void walk(long now) {
        List<String> read = rows.shards("", walkedTo, NAMES_AT_ONCE);
        walked = (walkedTo == null ? 0 : walked) + read.size();
        read.forEach(this::see);
        walkedTo = read.size() == NAMES_AT_ONCE ? read.get(read.size() - 1) : null;
        if (walkedTo == null) {
            endWalk();
            nextWalkMillis = now + WALK_EVERY.toMillis();
            isCounted = true;
        }
    }

    private synchronized void see(String name) {
        if (!looks.containsKey(NameHash.of(name))) {
            recorded(name);
        } else if (seen.add(NameHash.of(name)) && rows.areShared()) {
            revisited.add(name);
        }
    }

    private synchronized void endWalk() {
        looks.keySet().retainAll(seen);
        changed.keySet().removeIf(name -> !looks.containsKey(NameHash.of(name)));
        seen.clear();
        beyond = Math.max(0, walked - looks.size());
    }

    /** Notes that the record has a new outcome of a shard. */
    public synchronized void recorded(String shard) {
        long hash = NameHash.of(shard);
        if (looks.containsKey(hash) || looks.size() < MOST_SHARDS) {
            looks.putIfAbsent(hash, ShardChange.NOT_LOOKED_AT);
            seen.add(hash);
            due.add(shard);
        }
    }

    /** Returns the first shard that is due, which it is no longer; null if none is. */
    private synchronized @Nullable String firstDue() {
        Iterator<String> all = due.iterator();
        if (!all.hasNext()) {
            return null;
        }
        String first = all.next();
        all.remove();
        return first;
    }

    private synchronized void set(String name, ShardChange newest, Optional<ShardChange> ofHour) {
        if (looks.replace(NameHash.of(name), newest) != null) {
            Optional<ShardChange> change = newest.state() == State.CHANGED ? Optional.of(newest) : ofHour;
            change.ifPresent(found -> changed.put(name, found));
        }
    }

    /** Forgets changes that are over: older than an hour, and the newest outcome is as usual. */
    private void forgetOld() {
        long from = hourAgo();
        changed.entrySet()
                .removeIf(each -> each.getValue().atMillis() < from
                        && latest(each.getKey()).state() != State.CHANGED);
    }

    private ShardChange latest(String shard) {
        return looks.getOrDefault(NameHash.of(shard), ShardChange.NOT_LOOKED_AT);
    }

    private long hourAgo() {
        return clock.instant().minus(LISTED).toEpochMilli();
    }

    /** Returns the number of shards with an outcome that was not compared yet. */
    public synchronized int notLookedAt() {
        return due.size() + beyond;
    }

    /** Returns whether the number of shards is known, which it is soon after the start. */
    public boolean isCounted() {
        return isCounted;
    }

    /**
     * Returns the latest comparison of a shard. A shard that changed within the last hour counts as changed although its
     * newest outcome is as usual again.
     */
    public synchronized ShardChange of(String shard) {
        forgetOld();
        ShardChange listed = changed.get(shard);
        return listed != null ? listed : latest(shard);
    }

    /** A shard that changed. */
    public record Changed(String shard, ShardChange change) {}

    /**
     * Returns the shards whose newest outcome, or one of the last hour, differs from the outcomes before it, the largest
     * distance first.
     */
    public synchronized List<Changed> list(int limit) {
        forgetOld();
        return changed.entrySet().stream()
                .map(each -> new Changed(each.getKey(), each.getValue()))
                .sorted(Comparator.comparing((Changed each) -> each.change().distance())
                        .reversed()
                        .thenComparing(Changed::shard))
                .limit(limit)
                .toList();
    }

    /** Returns the same shards whose names begin with a prefix, in the order of names, after a shard or null. */
    synchronized List<String> names(String prefix, @Nullable String after, int limit) {
        forgetOld();
        return changed.keySet().stream()
                .filter(name -> name.startsWith(prefix) && (after == null || name.compareTo(after) > 0))
                .limit(limit)
                .toList();
    }

    /** Returns the number of these shards. */
    public synchronized int size() {
        forgetOld();
        return changed.size();
    }

    private synchronized List<Sample> samples() {
        long from = hourAgo();
        return Arrays.stream(Measure.values())
                .map(measure -> new Sample(
                        List.of(measure.label()),
                        changed.values().stream()
                                .filter(each -> each.measure() == measure && each.atMillis() >= from)
                                .count()))
                .toList();
    }

    @Override
    public void close() {
        timer.shutdownNow();
    }
}
