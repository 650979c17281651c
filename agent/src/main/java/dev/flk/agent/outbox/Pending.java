// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.agent.outbox.Outbox.ShardBacklog;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The entries that are not settled, in the order of their sequences, without their certificates: 14 to 18 bytes each if their neighbours
 * wait, too, about 220 bytes for one that is alone among settled ones, some 80 bytes more for one that compaction has moved, and the same
 * while it is not known whether an entry arrived. Safe for several threads.
 */
final class Pending {
    /** By the first sequence of their ranges, which do not overlap. */
    private final TreeMap<Long, Chunk> chunks = new TreeMap<>();
    /** The sequences of the records that hold the certificates of moved entries, by entry. */
    private final Map<Long, Long> moved = new HashMap<>();
    /** When they were first sent without an answer, by sequence. */
    private final Map<Long, Long> unanswered = new HashMap<>();

    private final Shards shards = new Shards();
    private int size;
    private long bytes;

    /** An entry, and the sequence of the record that holds its certificate. */
    record Located(OutboxEntry entry, long location) {}

    private interface Visitor {
        /** Looks at an entry; returns whether it wants to see the next one. */
        boolean wantsMoreAfter(Chunk chunk, int index);
    }

    /** Adds an entry of a shard whose certificate is in the record of its sequence. */
    synchronized void add(OutboxEntry entry, String shard) {
        Chunk before = chunkOf(entry.sequence());
        if (before != null && before.lastSequence() > entry.sequence()) {
            // a moved entry whose old record the disk has lost
            Chunk tail = before.splitAfter(entry.sequence());
            if (tail.live > 0) {
                chunks.put(tail.from, tail);
            }
        }
        if (before == null || !before.takes(entry)) {
            before = new Chunk(entry);
            chunks.put(before.from, before);
        }
        short number = shards.number(shard);
        before.add(entry, number);
        shards.came(number);
        size++;
        bytes += entry.bodyBytes();
    }

    private @Nullable Chunk chunkOf(long sequence) {
        Map.Entry<Long, Chunk> chunk = chunks.floorEntry(sequence);
        return chunk == null ? null : chunk.getValue();
    }

    /** Notes that the certificate of an entry is in another record from now on; adds the entry if it is missing. */
    synchronized void relocate(OutboxEntry entry, String shard, long location) {
        if (!contains(entry.sequence())) {
            add(entry, shard);
        }
        moved.put(entry.sequence(), location);
        if (entry.unansweredSinceMillis() >= 0) {
            unanswered.put(entry.sequence(), entry.unansweredSinceMillis());
        }
    }

    /** Notes that the certificate of an entry is in another record from now on; does nothing if it does not wait any more. */
    synchronized void relocateIfThere(long sequence, long location) {
        if (contains(sequence)) {
            moved.put(sequence, location);
        }
    }

    /** Forgets an entry; returns whether it was there. */
    synchronized boolean remove(long sequence) {
        Chunk chunk = chunkOf(sequence);
        int index = chunk == null ? -1 : chunk.find(sequence);
        if (chunk == null || index < 0) {
            return false;
        }
        unanswered.remove(sequence);
        moved.remove(sequence);
        size--;
        bytes -= chunk.bytes[index];
        shards.went(chunk.shards[index]);
        chunk.remove(index);
        if (chunk.live == 0) {
            chunks.remove(chunk.from);
        }
        return true;
    }

    /** Notes that an entry is being sent, and that it is not known whether it arrives; the first such time counts. */
    synchronized void beingSent(long sequence, long millis) {
        if (contains(sequence)) {
            unanswered.putIfAbsent(sequence, millis);
        }
    }

    /** Notes that no attempt to send an entry arrived. */
    synchronized void notArrived(long sequence) {
        unanswered.remove(sequence);
    }

    /** When it was first sent without an answer, milliseconds since 1970; -1 if it never was. */
    synchronized long unansweredSinceMillis(long sequence) {
        return unanswered.getOrDefault(sequence, -1L);
    }

    synchronized boolean contains(long sequence) {
        Chunk chunk = chunkOf(sequence);
        return chunk != null && chunk.find(sequence) >= 0;
    }

    /** The name that an entry's shard counts under; that of the others if it does not wait. */
    synchronized String shardName(long sequence) {
        Chunk chunk = chunkOf(sequence);
        int index = chunk == null ? -1 : chunk.find(sequence);
        return chunk == null || index < 0 ? Shards.OTHERS : shards.name(chunk.shards[index]);
    }

    /** The log was replayed: from now on a shard that has a name of its own keeps it. */
    synchronized void keepShardNames() {
        shards.keepNames();
    }

    /** What waits of each shard that has a name, and of all others together. Reads every entry at worst. */
    synchronized Map<String, ShardBacklog> byShard() {
        long[] oldest = new long[Shards.MOST_NAMED + 1];
        Arrays.fill(oldest, -1);
        int[] sought = new int[1];
        shards.all().keySet().forEach(number -> sought[0] += shards.waiting(number) > 0 ? 1 : 0);
        visit(0, (chunk, index) -> {
            short shard = chunk.shards[index];
            if (oldest[shard] < 0) {
                oldest[shard] = chunk.entry(index).addedMillis();
                sought[0]--;
            }
            return sought[0] > 0;
        });
        Map<String, ShardBacklog> backlogs = new LinkedHashMap<>();
        shards.all()
                .forEach(
                        (number, name) -> backlogs.put(name, new ShardBacklog(shards.waiting(number), oldest[number])));
        return backlogs;
    }

    /** The sequence of the record that holds the certificate. */
    synchronized long location(long sequence) {
        return moved.getOrDefault(sequence, sequence);
    }

    synchronized int size() {
        return size;
    }

    /** Bytes of the certificates. */
    synchronized long bytes() {
        return bytes;
    }

    synchronized Optional<OutboxEntry> oldest() {
        return after(-1, 1).stream().findFirst();
    }

    /** The next entries after a sequence, in order, {@code most} of them. */
    synchronized List<OutboxEntry> after(long sequence, int most) {
        List<OutboxEntry> found = new ArrayList<>();
        visit(sequence + 1, (chunk, index) -> {
            if (found.size() < most) {
                found.add(asKnown(chunk.entry(index)));
            }
            return found.size() < most;
        });
        return List.copyOf(found);
    }

    /** Passes on the entries from a sequence on, in order, until the visitor wants no more. */
    private void visit(long from, Visitor visitor) {
        Long first = chunks.floorKey(from);
        for (Chunk chunk : chunks.tailMap(first == null ? from : first, true).values()) {
            for (int i = 0; i < chunk.used; i++) {
                if (chunk.bytes[i] != Chunk.HOLE && chunk.sequence(i) >= from && !visitor.wantsMoreAfter(chunk, i)) {
                    return;
                }
            }
        }
    }

    private OutboxEntry asKnown(OutboxEntry entry) {
        return entry.unansweredSince(unansweredSinceMillis(entry.sequence()));
    }

    /** The entries whose certificates are in records up to this sequence, in the order of those records; {@code most} of them. */
    synchronized List<Located> locatedUpTo(long location, int most) {
        List<Located> found = new ArrayList<>();
        visit(0, (chunk, index) -> {
            long sequence = chunk.sequence(index);
            if (sequence <= location && !moved.containsKey(sequence)) {
                found.add(new Located(asKnown(chunk.entry(index)), sequence));
            }
            return sequence < location && found.size() < most;
        });
        moved.forEach((sequence, at) -> {
            if (at <= location) {
                found.add(new Located(entry(sequence), at));
            }
        });
        found.sort(Comparator.comparingLong(Located::location));
        return List.copyOf(found.subList(0, Math.min(most, found.size())));
    }

    private OutboxEntry entry(long sequence) {
        Chunk chunk = Objects.requireNonNull(chunkOf(sequence));
        return asKnown(chunk.entry(chunk.find(sequence)));
    }

    /** How many entries compaction has moved. */
    synchronized int moved() {
        return moved.size();
    }

    /** The first record that is still needed; {@link Long#MAX_VALUE} if none is. */
    synchronized long firstLocation() {
        long[] first = {Long.MAX_VALUE};
        moved.values().forEach(location -> first[0] = Math.min(first[0], location));
        visit(0, (chunk, index) -> {
            boolean isMoved = moved.containsKey(chunk.sequence(index));
            first[0] = isMoved ? first[0] : Math.min(first[0], chunk.sequence(index));
            return isMoved;
        });
        return first[0];
    }

    /**
     * Entries in the order of their sequences, 14 bytes each: sequence and time as differences from the first, the length, and the number
     * of the shard. A removed entry leaves a hole; the holes are closed up once they are most of the chunk. Not for several threads.
     */
    private static final class Chunk {
        private static final int CAPACITY = 512;
        private static final int HOLE = -1;

        /** The first sequence of its range. */
        private final long from;

        private final long baseSequence;
        private final long baseMillis;
        private int[] sequences = new int[4];
        private int[] millis = new int[4];
        private int[] bytes = new int[4];
        private short[] shards = new short[4];
        private int used;
        private int live;

        Chunk(OutboxEntry first) {
            this(first.sequence(), first.sequence(), first.addedMillis());
        }

        private Chunk(long from, long baseSequence, long baseMillis) {
            this.from = from;
            this.baseSequence = baseSequence;
            this.baseMillis = baseMillis;
        }

        /** Whether this entry, of a higher sequence than all of them, can be added. */
        boolean takes(OutboxEntry entry) {
            return used < CAPACITY
                    && entry.sequence() - baseSequence <= Integer.MAX_VALUE
                    && Math.abs(entry.addedMillis() - baseMillis) <= Integer.MAX_VALUE;
        }

        void add(OutboxEntry entry, short shard) {
            if (used == sequences.length) {
                resize(2 * used);
            }
            sequences[used] = (int) (entry.sequence() - baseSequence);
            millis[used] = (int) (entry.addedMillis() - baseMillis);
            bytes[used] = entry.bodyBytes();
            shards[used] = shard;
            used++;
            live++;
        }

        /** Moves the entries after a sequence, which is below the last one, to a chunk of their own. */
        Chunk splitAfter(long sequence) {
            int kept = 0;
            while (sequence(kept) <= sequence) {
                kept++;
            }
            Chunk tail = new Chunk(sequence(kept), baseSequence, baseMillis);
            for (int i = kept; i < used; i++) {
                if (bytes[i] != HOLE) {
                    tail.add(entry(i), shards[i]);
                }
            }
            used = kept;
            live -= tail.live;
            return tail;
        }

        void remove(int index) {
            bytes[index] = HOLE;
            live--;
            if (live * 4 <= used) {
                closeUp();
            }
        }

        long sequence(int index) {
            return baseSequence + sequences[index];
        }

        long lastSequence() {
            return used == 0 ? from : sequence(used - 1);
        }

        /** The entry at an index, as if it had never been sent. */
        OutboxEntry entry(int index) {
            return new OutboxEntry(sequence(index), baseMillis + millis[index], bytes[index], -1);
        }

        /** The index of an entry; negative if it is not there. */
        int find(long sequence) {
            long difference = sequence - baseSequence;
            if (difference > Integer.MAX_VALUE) {
                return -1;
            }
            int index = Arrays.binarySearch(sequences, 0, used, (int) difference);
            return index >= 0 && bytes[index] != HOLE ? index : -1;
        }

        private void closeUp() {
            int kept = 0;
            for (int i = 0; i < used; i++) {
                if (bytes[i] != HOLE) {
                    sequences[kept] = sequences[i];
                    millis[kept] = millis[i];
                    bytes[kept] = bytes[i];
                    shards[kept] = shards[i];
                    kept++;
                }
            }
            used = kept;
            resize(Math.max(1, kept));
        }

        private void resize(int length) {
            sequences = Arrays.copyOf(sequences, length);
            millis = Arrays.copyOf(millis, length);
            bytes = Arrays.copyOf(bytes, length);
            shards = Arrays.copyOf(shards, length);
        }
    }
}
