// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.replay;

import dev.flk.backend.decide.LoggedOutcomes.ReplayedOutcome;
import dev.flk.verification.Policy;
import dev.flk.verification.Verdict;
import dev.flk.wal.segment.LogRecord;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Map.Entry;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A comparison of the recorded outcomes with the outcomes under another policy. Only one thread may use it. In addition
 * to the examples, it keeps a few KiB and one entry for each of the first {@value #MOST_SHARDS} shards in memory;
 * certificates of all other shards are counted together.
 */
public final class PolicyTrial {
    static final int MOST_SHARDS = 10_000;
    /**
     * The largest number of reasons that are counted separately. A limit is needed because outcomes recorded by other
     * versions may have any reason.
     */
    private static final int MOST_REASONS = 100;

    private static final String ACCEPTED = Verdict.Kind.ACCEPTED.label();

    private final Policy policy;
    private final Instant since;
    private final int mostExamples;
    private final Map<List<Verdict.Kind>, Long> changes = new HashMap<>();
    private final Map<List<Verdict.Kind>, List<Example>> examples = new HashMap<>();
    private final Map<String, Tally> byReason = new HashMap<>();
    private final Map<String, Tally> byShard = new HashMap<>();
    private final Tally laterShards = new Tally();
    private long decided;
    private long overruled;
    private long different;
    private long differentReason;

    /**
     * The number of certificates whose recorded verdict is {@code before} and whose verdict under the policy would be
     * {@code after}. The two verdicts may be the same.
     */
    public record Change(Verdict.Kind before, Verdict.Kind after, long certificates) {}

    /**
     * The numbers of certificates with this reason: {@code before} counts recorded outcomes, and {@code after} counts
     * outcomes under the policy.
     */
    public record Reason(String reason, long before, long after) {}

    /**
     * The changes in one listed shard, or the sum over the shards that are not listed.
     *
     * @param shard the name; null for the sum
     * @param shards the number of shards in the sum, where all shards that were not counted separately count as one;
     *     null for a listed shard
     * @param andMore whether there were more than {@value PolicyTrial#MOST_SHARDS} shards, of which only the first were
     *     counted separately; null for a listed shard
     * @param acceptedChange the number of additional certificates that would be accepted; negative if fewer would be
     *     accepted
     */
    public record Shard(
            @Nullable String shard,
            @Nullable Long shards,
            @Nullable Boolean andMore,
            long decided,
            long different,
            long acceptedChange,
            long escalatedChange,
            long rejectedChange) {}

    /** A certificate whose outcome would change. */
    public record Example(
            long seq,
            String pcsId,
            String shard,
            Verdict.Kind before,
            Verdict.Kind after,
            String reasonBefore,
            String reasonAfter) {}

    public record Summary(
            String policy,
            String policyHash,
            Instant since,
            long decided,
            long answeredByAnEarlierOne,
            long different,
            long differentReason) {}

    /** The counts of a shard or a reason. */
    private static final class Tally {
        private final Map<Verdict.Kind, Long> more = new EnumMap<>(Verdict.Kind.class);
        private long before;
        private long after;
        private long different;

        private void add(Tally other) {
            other.more.forEach((kind, change) -> more.merge(kind, change, Long::sum));
            before += other.before;
            different += other.different;
        }

        private Shard toShard(@Nullable String name, @Nullable Long shards, @Nullable Boolean andMore) {
            return new Shard(
                    name,
                    shards,
                    andMore,
                    before,
                    different,
                    more.getOrDefault(Verdict.Kind.ACCEPTED, 0L),
                    more.getOrDefault(Verdict.Kind.ESCALATED, 0L),
                    more.getOrDefault(Verdict.Kind.REJECTED, 0L));
        }
    }

    /**
     * Creates empty counts for a policy.
     *
     * @param since the start of the period, for display; the caller leaves out earlier submissions
     * @param mostExamples the largest number of examples for each kind of change
     */
    public PolicyTrial(Policy policy, Instant since, int mostExamples) {
        this.policy = policy;
        this.since = since;
        this.mostExamples = mostExamples;
    }

    /** Counts a submission. If it was overruled, the outcome that was recorded first applies under any policy. */
    public void submission(LogRecord record, ReplayedOutcome before, @Nullable ReplayedOutcome underPolicy) {
        ReplayedOutcome after = before.isOverruled() ? before : Objects.requireNonNull(underPolicy);
        List<Verdict.Kind> change = List.of(before.kind(), after.kind());
        boolean isDifferent = before.kind() != after.kind();
        decided++;
        overruled += before.isOverruled() ? 1 : 0;
        changes.merge(change, 1L, Long::sum);
        Tally shard = byShard.size() < MOST_SHARDS
                ? byShard.computeIfAbsent(before.shard(), name -> new Tally())
                : byShard.getOrDefault(before.shard(), laterShards);
        shard.before++;
        shard.more.merge(before.kind(), -1L, Long::sum);
        shard.more.merge(after.kind(), 1L, Long::sum);
        Tally reasonBefore = reason(before);
        Tally reasonAfter = reason(after);
        reasonBefore.before++;
        reasonAfter.after++;
        if (isDifferent) {
            different++;
            shard.different++;
            List<Example> ofChange = examples.computeIfAbsent(change, any -> new ArrayList<>());
            if (ofChange.size() < mostExamples) {
                ofChange.add(new Example(
                        record.sequence(),
                        before.verdict().id().toString(),
                        before.shard(),
                        before.kind(),
                        after.kind(),
                        before.reason(),
                        after.reason()));
            }
        } else if (reasonBefore != reasonAfter) {
            differentReason++;
        }
    }

    private Tally reason(ReplayedOutcome given) {
        String kind = given.reason().isEmpty() ? ACCEPTED : given.reason().split("[:,]", 2)[0];
        return byReason.computeIfAbsent(
                byReason.containsKey(kind) || byReason.size() < MOST_REASONS ? kind : "others", any -> new Tally());
    }

    /**
     * Returns a count for each combination of verdicts before and after, ordered by the verdict before and then by the
     * verdict after.
     */
    public List<Change> changes() {
        return Stream.of(Verdict.Kind.values())
                .flatMap(before -> Stream.of(Verdict.Kind.values())
                        .map(after -> new Change(before, after, changes.getOrDefault(List.of(before, after), 0L))))
                .toList();
    }

    /** Returns the reasons ordered by name, but {@code accepted} first. */
    public List<Reason> reasons() {
        return byReason.entrySet().stream()
                .map(entry -> new Reason(entry.getKey(), entry.getValue().before, entry.getValue().after))
                .sorted(Comparator.comparing((Reason reason) -> !reason.reason().equals(ACCEPTED))
                        .thenComparing(Reason::reason))
                .toList();
    }

    /**
     * Returns at most {@code most} shards. The shards with the most changes come first; among shards with equally many
     * changes, the shards with the most certificates.
     */
    public List<Shard> shards(int most) {
        return inOrder()
                .limit(most)
                .map(entry -> entry.getValue().toShard(entry.getKey(), null, null))
                .toList();
    }

    /** Returns the sum over all shards that {@link #shards} with the same {@code most} leaves out. */
    public Shard otherShards(int most) {
        Tally sum = new Tally();
        inOrder().skip(most).forEach(entry -> sum.add(entry.getValue()));
        sum.add(laterShards);
        boolean andMore = laterShards.before > 0;
        return sum.toShard(null, Math.max(0L, byShard.size() - most) + (andMore ? 1 : 0), andMore);
    }

    private Stream<Entry<String, Tally>> inOrder() {
        return byShard.entrySet().stream()
                .sorted(Comparator.comparing((Entry<String, Tally> entry) -> -entry.getValue().different)
                        .thenComparing(entry -> -entry.getValue().before)
                        .thenComparing(Entry::getKey));
    }

    /** Returns the examples, ordered by the verdict before and then by the verdict after. */
    public List<Example> examples() {
        return changes().stream()
                .flatMap(change -> examples.getOrDefault(List.of(change.before(), change.after()), List.of()).stream())
                .toList();
    }

    public Summary summary() {
        return new Summary(policy.text(), policy.hash(), since, decided, overruled, different, differentReason);
    }
}
