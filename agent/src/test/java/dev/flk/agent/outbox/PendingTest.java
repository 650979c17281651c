// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.outbox.Outbox.ShardBacklog;
import dev.flk.agent.outbox.Pending.Located;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;

class PendingTest {
    private static final int STEPS = 3_000;
    private static final long ALL = Long.MAX_VALUE;

    /** A model of {@link Pending} that uses maps of objects. */
    private static final class Model {
        private final TreeMap<Long, OutboxEntry> entries = new TreeMap<>();
        private final TreeMap<Long, Long> locations = new TreeMap<>();
        private final TreeMap<Long, String> shards = new TreeMap<>();
        private final Map<String, ShardBacklog> none = new LinkedHashMap<>(Map.of("(others)", new ShardBacklog(0, -1)));

        /** Adds an entry; shards after the first 64 count as {@code (others)}. */
        void add(OutboxEntry entry, String shard) {
            entries.put(entry.sequence(), entry);
            locations.put(entry.sequence(), entry.sequence());
            if (none.size() <= 64) {
                none.putIfAbsent(shard, new ShardBacklog(0, -1));
            }
            shards.put(entry.sequence(), none.containsKey(shard) ? shard : "(others)");
        }

        Map<String, ShardBacklog> byShard() {
            Map<String, ShardBacklog> backlogs = new LinkedHashMap<>(none);
            entries.values()
                    .forEach(entry -> backlogs.computeIfPresent(
                            shards.get(entry.sequence()),
                            (shard, before) -> new ShardBacklog(
                                    before.entries() + 1,
                                    before.entries() == 0 ? entry.addedMillis() : before.oldestAddedMillis())));
            return backlogs;
        }

        List<OutboxEntry> after(long sequence, int most) {
            return entries.tailMap(sequence, false).values().stream()
                    .limit(most)
                    .toList();
        }

        long bytes() {
            return entries.values().stream().mapToLong(OutboxEntry::bodyBytes).sum();
        }

        long anyOf(Random random) {
            List<Long> sequences = new ArrayList<>(entries.keySet());
            return sequences.isEmpty() ? 1 : sequences.get(random.nextInt(sequences.size()));
        }
    }

    @RepeatedTest(20)
    void anyOrderOfSteps_agreesWithTheModel(RepetitionInfo repetition) {
        compareWithModel(new Random(repetition.getCurrentRepetition()));
    }

    private static void compareWithModel(Random random) {
        Pending pending = new Pending();
        pending.keepShardNames();
        Model model = new Model();
        int shards = 1 + random.nextInt(100);
        long next = 1;
        int addedInTen = random.nextInt(10);
        for (int step = 0; step < STEPS; step++) {
            long some = random.nextInt(10) == 0 ? random.nextLong(next + 1) : model.anyOf(random);
            int what = random.nextInt(15);
            if (what <= addedInTen) {
                OutboxEntry entry = new OutboxEntry(next, random.nextLong(1L << 33), random.nextInt(1000), -1);
                String shard = "shard-" + random.nextInt(shards);
                pending.add(entry, shard);
                model.add(entry, shard);
                next += 1 + random.nextInt(3);
            } else if (what <= 10) {
                assertThat(pending.remove(some)).isEqualTo(model.entries.remove(some) != null);
                model.locations.remove(some);
            } else if (what == 11) {
                pending.relocateIfThere(some, next);
                if (model.locations.replace(some, next) != null) {
                    next++;
                }
            } else if (what == 14) {
                // the record of a moved entry whose old record is lost
                long old = Math.min(some, next - 1);
                OutboxEntry lost = new OutboxEntry(old, random.nextLong(1L << 33), random.nextInt(1000), -1);
                String shard = "shard-" + random.nextInt(shards);
                if (!model.entries.containsKey(old)) {
                    model.add(lost, shard);
                }
                pending.relocate(lost, shard, next);
                model.locations.put(old, next++);
            } else {
                boolean sent = what == 12;
                if (sent) {
                    pending.beingSent(some, step);
                } else {
                    pending.notArrived(some);
                }
                long at = step;
                model.entries.computeIfPresent(
                        some,
                        (sequence, entry) -> entry.unansweredSince(
                                sent ? Math.max(entry.unansweredSinceMillis(), sentFirst(entry, at)) : -1));
            }
            if (step % 50 == 0) {
                assertSame(pending, model, random, next);
            }
        }
    }

    private static long sentFirst(OutboxEntry entry, long at) {
        return entry.unansweredSinceMillis() < 0 ? at : entry.unansweredSinceMillis();
    }

    private static void assertSame(Pending pending, Model model, Random random, long next) {
        assertThat(pending.size()).isEqualTo(model.entries.size());
        assertThat(pending.bytes()).isEqualTo(model.bytes());
        assertThat(pending.after(0, Integer.MAX_VALUE)).isEqualTo(model.after(0, Integer.MAX_VALUE));
        assertThat(pending.byShard()).isEqualTo(model.byShard());
        long some = model.anyOf(random);
        assertThat(pending.shardName(some))
                .isEqualTo(model.entries.containsKey(some) ? model.shards.get(some) : "(others)");
        long from = random.nextLong(next);
        assertThat(pending.after(from, 7)).isEqualTo(model.after(from, 7));
        assertThat(pending.firstLocation())
                .isEqualTo(model.locations.values().stream()
                        .mapToLong(location -> location)
                        .min()
                        .orElse(ALL));
        long upTo = random.nextLong(next + 1);
        assertThat(pending.locatedUpTo(upTo, Integer.MAX_VALUE))
                .extracting(Located::location)
                .isEqualTo(model.locations.values().stream()
                        .filter(location -> location <= upTo)
                        .sorted()
                        .toList());
    }

    @Test
    void millionEntries_inOrder_needLittleMemory() {
        Pending pending = new Pending();
        long before = usedBytes();
        for (int i = 1; i <= 1_000_000; i++) {
            pending.add(new OutboxEntry(i, 1_795_161_600_000L + i, 700, -1), "shard-" + i % 7);
        }
        assertThat(usedBytes() - before).isLessThan(24L << 20);
        assertThat(pending.size()).isEqualTo(1_000_000);
        for (int i = 1; i <= 1_000_000; i++) {
            if (i % 100 != 0) {
                pending.remove(i);
            }
        }
        assertThat(usedBytes() - before).as("what is left stands alone").isLessThan(4L << 20);
        assertThat(pending.after(0, Integer.MAX_VALUE)).hasSize(10_000);
    }

    private static long usedBytes() {
        Runtime runtime = Runtime.getRuntime();
        long used = Long.MAX_VALUE;
        for (int i = 0; i < 4; i++) {
            System.gc();
            used = Math.min(used, runtime.totalMemory() - runtime.freeMemory());
        }
        return used;
    }
}
