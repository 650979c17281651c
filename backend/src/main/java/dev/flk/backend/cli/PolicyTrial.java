// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.ingest.LoggedOutcomes.Ending;
import dev.flk.backend.ingest.LoggedOutcomes.Given;
import dev.flk.verification.Policy;
import dev.flk.wal.LogRecord;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What another policy would have made of certificates, counted. One thread. Memory: some KiB, and a line for each of the first
 * {@value #MOST_SHARDS} shards; certificates of those that come later are counted together.
 */
final class PolicyTrial {
    static final int MOST_SHARDS = 10_000;
    /** What stood before may come from backends of other versions, so what they say is not bounded by our rules. */
    private static final int MOST_REASONS = 100;

    private static final String OTHER_REASONS = "others";

    private final Policy policy;
    private final Instant start;
    private final int mostExamples;
    private final int shardsShown;
    private final Map<Change, Long> changes = new HashMap<>();
    private final Map<String, Tally> byReason = new HashMap<>();
    private final Map<String, Tally> byShard = new HashMap<>();
    private final Tally laterShards = new Tally();
    private final Map<Change, List<Example>> examples = new HashMap<>();
    private long decided;
    private long overruled;
    private long otherwise;
    private long otherReason;

    /** How a certificate came out, and how it would have. */
    record Change(Ending before, Ending after) {}

    /** A certificate whose outcome would change. */
    record Example(long sequence, Given before, Given after) {}

    /** Before and after, of a shard or a reason. */
    static final class Tally {
        private final Map<Ending, Long> before = new EnumMap<>(Ending.class);
        private final Map<Ending, Long> after = new EnumMap<>(Ending.class);
        private long changed;

        private void add(Ending ending, Map<Ending, Long> counts) {
            counts.merge(ending, 1L, Long::sum);
        }

        private void add(Tally other) {
            other.before.forEach((ending, count) -> before.merge(ending, count, Long::sum));
            other.after.forEach((ending, count) -> after.merge(ending, count, Long::sum));
            changed += other.changed;
        }

        long before() {
            return before.values().stream().mapToLong(Long::longValue).sum();
        }

        long after() {
            return after.values().stream().mapToLong(Long::longValue).sum();
        }

        long changed() {
            return changed;
        }

        /** How many more there would be that come out so. */
        long more(Ending ending) {
            return after.getOrDefault(ending, 0L) - before.getOrDefault(ending, 0L);
        }
    }

    /** A line of a table. */
    record Line(String name, Tally tally) {}

    /**
     * Counts for a policy.
     *
     * @param start what arrived before is left out by who calls
     * @param mostExamples of each kind of change
     */
    PolicyTrial(Policy policy, Instant start, int mostExamples, int shardsShown) {
        this.policy = policy;
        this.start = start;
        this.mostExamples = mostExamples;
        this.shardsShown = shardsShown;
    }

    /** Counts a submission. What was recorded for it by another backend stands under any policy. */
    void submission(LogRecord record, Given before, @Nullable Given underPolicy) {
        Given after = before.isOverruled() ? before : Objects.requireNonNull(underPolicy);
        Change change = new Change(before.ending(), after.ending());
        decided++;
        overruled += before.isOverruled() ? 1 : 0;
        changes.merge(change, 1L, Long::sum);
        Tally shard = byShard.size() < MOST_SHARDS
                ? byShard.computeIfAbsent(before.shard(), name -> new Tally())
                : byShard.getOrDefault(before.shard(), laterShards);
        shard.add(before.ending(), shard.before);
        shard.add(after.ending(), shard.after);
        Tally reasonBefore = reason(before);
        Tally reasonAfter = reason(after);
        reasonBefore.add(before.ending(), reasonBefore.before);
        reasonAfter.add(after.ending(), reasonAfter.after);
        if (change.before() != change.after()) {
            otherwise++;
            shard.changed++;
            List<Example> of = examples.computeIfAbsent(change, any -> new ArrayList<>());
            if (of.size() < mostExamples) {
                of.add(new Example(record.sequence(), before, after));
            }
        } else if (reasonBefore != reasonAfter) {
            otherReason++;
        }
    }

    private Tally reason(Given given) {
        String kind = given.reason().isEmpty() ? "accepted" : given.reason().split("[:,]", 2)[0];
        return byReason.computeIfAbsent(
                byReason.containsKey(kind) || byReason.size() < MOST_REASONS ? kind : OTHER_REASONS,
                any -> new Tally());
    }

    Policy policy() {
        return policy;
    }

    Instant start() {
        return start;
    }

    long decided() {
        return decided;
    }

    /** Of these, how many another outcome stood for already. */
    long overruled() {
        return overruled;
    }

    /** How many outcomes would change. */
    long otherwise() {
        return otherwise;
    }

    /** How many would come out the same, but for another kind of reason. */
    long otherReason() {
        return otherReason;
    }

    long count(Ending before, Ending after) {
        return changes.getOrDefault(new Change(before, after), 0L);
    }

    /** By name, the accepted first. */
    List<Line> reasons() {
        return byReason.entrySet().stream()
                .map(entry -> new Line(entry.getKey(), entry.getValue()))
                .sorted(Comparator.comparing((Line line) -> !line.name().equals("accepted"))
                        .thenComparing(Line::name))
                .toList();
    }

    /** Those that are to be shown, the most changed first; of the same change the largest. */
    List<Line> shards() {
        return sorted().stream().limit(shardsShown).toList();
    }

    private List<Line> sorted() {
        return byShard.entrySet().stream()
                .map(entry -> new Line(entry.getKey(), entry.getValue()))
                .sorted(Comparator.comparing((Line line) -> -line.tally().changed())
                        .thenComparing(line -> -line.tally().before())
                        .thenComparing(Line::name))
                .toList();
    }

    /** How many shards are not shown; at least so many, if there are more than are told apart. */
    long shardsLeftOut() {
        return Math.max(0L, byShard.size() - shardsShown) + (hasMoreShards() ? 1 : 0);
    }

    /** Whether there were more shards than are told apart. */
    boolean hasMoreShards() {
        return laterShards.before() > 0;
    }

    /** All that are not shown, together. */
    Tally leftOut() {
        Tally all = new Tally();
        sorted().stream().skip(shardsShown).forEach(line -> all.add(line.tally()));
        all.add(laterShards);
        return all;
    }

    /** In the order of the log for each kind of change. */
    List<Example> examples(Ending before, Ending after) {
        return examples.getOrDefault(new Change(before, after), List.of());
    }
}
