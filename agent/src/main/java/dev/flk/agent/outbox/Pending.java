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
 * The entries that are not settled, in the order of their sequences, without their certificates. An entry needs 14 to
 * 18 bytes of memory if most of the neighbouring entries are pending, and about 220 bytes if most of them are settled.
 * An entry that compaction has moved needs about 80 bytes more. An entry that was sent and is not answered also needs
 * about 80 bytes more. Safe for several threads.
 */
final class Pending {
    /** The chunks, by the first sequence of their ranges. The ranges do not overlap. */
    private final TreeMap<Long, Chunk> chunks = new TreeMap<>();
    /** The sequence of the record that contains the certificate of a moved entry, by the sequence of the entry. */
    private final Map<Long, Long> moved = new HashMap<>();
    /**
     * The time of the earliest sending that may have brought an entry into the backend's log, in milliseconds since
     * 1970, by the sequence of the entry.
     */
    private final Map<Long, Long> unanswered = new HashMap<>();

    private final Shards shards = new Shards();
    private int size;
    private long bytes;

    /**
     * An entry with the location of its certificate: the sequence of the record that contains the certificate.
     */
    record Located(OutboxEntry entry, long location) {}

    private interface Visitor {
        /** Visits an entry. Returns whether to continue with the next entry. */
        boolean wantsMoreAfter(Chunk chunk, int index);
    }

    /**
     * Adds an entry of a shard. The certificate is in the log's record with the sequence of the entry, until a
     * compaction moves it.
     */
    synchronized void add(OutboxEntry entry, String shard) {
        Chunk before = chunkOf(entry.sequence());
        if (before != null && before.lastSequence() > entry.sequence()) {
            // the entry belongs in the middle of the chunk. This happens at a start if the entry's original record was
            // removed or lost: the entry is then read from the later record that compaction has written
            Chunk tail = before.splitAfter(entry.sequence());
            if (tail.live > 0) {
                chunks.put(tail.from, tail);
            }
        }
        if (before == null || !before.accepts(entry)) {
            before = new Chunk(entry);
            chunks.put(before.from, before);
        }
        short number = shards.number(shard);
        before.add(entry, number);
        shards.increment(number);
        size++;
        bytes += entry.bodyBytes();
    }

    private @Nullable Chunk chunkOf(long sequence) {
        Map.Entry<Long, Chunk> chunk = chunks.floorEntry(sequence);
        return chunk == null ? null : chunk.getValue();
    }

    /** Stores the new location of an entry's certificate; adds the entry if it is missing, and returns whether it was. */
    synchronized boolean relocate(OutboxEntry entry, String shard, long location) {
        boolean isMissing = !contains(entry.sequence());
        if (isMissing) {
            add(entry, shard);
        }
        moved.put(entry.sequence(), location);
        if (entry.unansweredSinceMillis() >= 0) {
            unanswered.put(entry.sequence(), entry.unansweredSinceMillis());
        }
        return isMissing;
    }

    /** Stores the new location of an entry's certificate; does nothing if the entry is no longer pending. */
    synchronized void relocateIfThere(long sequence, long location) {
        if (contains(sequence)) {
            moved.put(sequence, location);
        }
    }

    /** Removes an entry; returns whether it was pending. */
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
        shards.decrement(chunk.shards[index]);
        chunk.remove(index);
        if (chunk.live == 0) {
            chunks.remove(chunk.from);
        }
        return true;
    }

    /**
     * Records that an entry is being sent at {@code millis}. If an earlier sending of the entry is unanswered, keeps
     * the time of the earlier sending. Does nothing if the entry is not pending.
     */
    synchronized void beingSent(long sequence, long millis) {
        if (contains(sequence)) {
            unanswered.putIfAbsent(sequence, millis);
        }
    }

    /** Records that none of the entry's sendings has arrived at a backend. */
    synchronized void notArrived(long sequence) {
        unanswered.remove(sequence);
    }

    /**
     * Returns the time of an entry's first unanswered sending, in milliseconds since 1970; -1 if no sending is
     * unanswered.
     */
    synchronized long unansweredSinceMillis(long sequence) {
        return unanswered.getOrDefault(sequence, -1L);
    }

    synchronized boolean contains(long sequence) {
        Chunk chunk = chunkOf(sequence);
        return chunk != null && chunk.find(sequence) >= 0;
    }

    /** Returns the name under which an entry's shard is counted; {@link Shards#OTHERS} if the entry is not pending. */
    synchronized String shardName(long sequence) {
        Chunk chunk = chunkOf(sequence);
        int index = chunk == null ? -1 : chunk.find(sequence);
        return chunk == null || index < 0 ? Shards.OTHERS : shards.name(chunk.shards[index]);
    }

    /**
     * Removes the names of shards without pending entries, and makes the other names permanent. Called at a start,
     * after the log has been read.
     */
    synchronized void keepShardNames() {
        shards.keepNames();
    }

    /**
     * Returns the backlogs by shard name. Each name that has its own number in {@link Shards} has its own backlog. The
     * backlog under {@link Shards#OTHERS} combines all other shards. Visits every entry in the worst case.
     */
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

    /** Returns the sequence of the record that contains the certificate of an entry. */
    synchronized long location(long sequence) {
        return moved.getOrDefault(sequence, sequence);
    }

    synchronized int size() {
        return size;
    }

    /** Returns the size of all pending certificates in bytes. */
    synchronized long bytes() {
        return bytes;
    }

    synchronized Optional<OutboxEntry> oldest() {
        return after(-1, 1).stream().findFirst();
    }

    /**
     * Returns the entries that follow {@code sequence}, in the order of their sequences, but at most {@code most}
     * entries.
     */
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

    /** Visits the entries with sequences of at least {@code from}, in order, until the visitor returns false. */
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

    /**
     * Returns the entries whose certificates are in the records up to {@code location}, inclusive. The entries are in
     * the order of these records; if there are more than {@code most} entries, returns only the first {@code most}
     * entries.
     */
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

    /** Returns the number of pending entries that compaction has moved. */
    synchronized int moved() {
        return moved.size();
    }

    /**
     * Returns the lowest sequence of a record that contains a pending certificate; {@link Long#MAX_VALUE} if nothing is
     * pending.
     */
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
     * A range of entries in the order of their sequences. Each entry takes 14 bytes: its sequence and its time, both
     * relative to base values of the chunk, the length of its certificate, and the number of its shard. A removed entry
     * leaves a hole; once at least three quarters of the chunk are holes, the chunk is rewritten without the holes. Not
     * safe for several threads.
     */
    private static final class Chunk {
        private static final int CAPACITY = 512;
        private static final int HOLE = -1;

        /** The first sequence of the range. */
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

        /**
         * Returns whether an entry can be added: the chunk has room, and the entry's sequence and time are close enough
         * to the base values. The entry's sequence must be higher than the sequence of every entry that the chunk
         * contains.
         */
        boolean accepts(OutboxEntry entry) {
            return used < CAPACITY
                    && entry.sequence() - baseSequence <= Integer.MAX_VALUE
                    && Math.abs(entry.addedMillis() - baseMillis) <= Integer.MAX_VALUE;
        }

        void add(OutboxEntry entry, short shard) {
            if (used > 0 && lastSequence() == entry.sequence()) {
                used--; // the entry left this hole when it was removed earlier, and now fills the hole again
            }
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

        /**
         * Moves the entries with sequences above {@code sequence} to a new chunk, and returns the new chunk. Before the
         * call, this chunk must contain an entry or a hole with a sequence above {@code sequence}.
         */
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

        /**
         * Returns the entry at an index, always with -1 as its {@code unansweredSinceMillis}, which the chunk does not
         * know.
         */
        OutboxEntry entry(int index) {
            return new OutboxEntry(sequence(index), baseMillis + millis[index], bytes[index], -1);
        }

        /** Returns the index of an entry; negative if the chunk does not contain the entry. */
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
