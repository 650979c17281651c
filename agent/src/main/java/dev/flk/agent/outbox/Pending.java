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
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The entries that are not settled, in the order of their sequences, without their certificates: 14 to 18 bytes each while they came
 * one after the other, some 130 bytes for one that stands alone or was moved, and some 80 bytes more while nobody knows whether it
 * arrived. Safe for several threads.
 */
final class Pending {
    /** A chunk with no more entries than this is dissolved into single ones. */
    private static final int FEW = 8;

    /** By the sequence of the first that was ever in it. */
    private final TreeMap<Long, Chunk> chunks = new TreeMap<>();

    private final TreeMap<Long, Lone> lone = new TreeMap<>();
    /** When they were first sent without an answer, by sequence. */
    private final Map<Long, Long> unanswered = new HashMap<>();

    private final Shards shards = new Shards();
    private int size;
    private long bytes;

    /** An entry on its own; {@code location} is the sequence of the record that holds its certificate. */
    private record Lone(OutboxEntry entry, long location, short shard) {}

    /** An entry, and the sequence of the record that holds its certificate. */
    record Located(OutboxEntry entry, long location) {}

    /** Adds an entry of a shard whose certificate stands in the record of its sequence, which is higher than all before it. */
    synchronized void add(OutboxEntry entry, String shard) {
        short number = shards.number(shard);
        Chunk last = chunks.isEmpty() ? null : chunks.lastEntry().getValue();
        if (last != null && last.takes(entry)) {
            last.add(entry, number);
        } else {
            chunks.put(entry.sequence(), new Chunk(entry, number));
            if (last != null) {
                dissolveIfFew(entry.sequence() - 1);
            }
        }
        came(entry, number);
    }

    private void came(OutboxEntry entry, short shard) {
        size++;
        bytes += entry.bodyBytes();
        shards.came(shard);
    }

    private void went(int bodyBytes, short shard) {
        size--;
        bytes -= bodyBytes;
        shards.went(shard);
    }

    /** The certificate of an entry stands in another record from now on; the entry is added if it is not there. */
    synchronized void relocate(OutboxEntry entry, String shard, long location) {
        relocate(entry, shards.number(shard), location);
    }

    private void relocate(OutboxEntry entry, short shard, long location) {
        takeOut(entry.sequence());
        lone.put(entry.sequence(), new Lone(entry, location, shard));
        came(entry, shard);
        if (entry.unansweredSinceMillis() >= 0) {
            unanswered.put(entry.sequence(), entry.unansweredSinceMillis());
        }
    }

    /** The certificate of an entry stands in another record from now on; nothing happens if it does not wait any more. */
    synchronized void relocateIfThere(long sequence, long location) {
        short shard = shard(sequence);
        if (shard >= 0) {
            relocate(after(sequence - 1, 1).get(0), shard, location);
        }
    }

    /** Forgets an entry; returns whether it was there. */
    synchronized boolean remove(long sequence) {
        unanswered.remove(sequence);
        return takeOut(sequence);
    }

    private boolean takeOut(long sequence) {
        Lone alone = lone.remove(sequence);
        if (alone != null) {
            went(alone.entry().bodyBytes(), alone.shard());
            return true;
        }
        Map.Entry<Long, Chunk> chunk = chunks.floorEntry(sequence);
        if (chunk == null) {
            return false;
        }
        short shard = chunk.getValue().shard(sequence);
        if (shard < 0) {
            return false;
        }
        went(chunk.getValue().remove(sequence), shard);
        dissolveIfFew(sequence);
        return true;
    }

    private void dissolveIfFew(long sequence) {
        Map.Entry<Long, Chunk> of = chunks.floorEntry(sequence);
        boolean last = of == null || of.getKey().equals(chunks.lastKey());
        if (of == null || of.getValue().size() > FEW || (last && of.getValue().size() > 0)) {
            return;
        }
        chunks.remove(of.getKey());
        of.getValue().forEach((entry, shard) -> lone.put(entry.sequence(), new Lone(entry, entry.sequence(), shard)));
    }

    /** It is being sent, and it is not known whether it arrives; the first such time counts. */
    synchronized void beingSent(long sequence, long millis) {
        if (contains(sequence)) {
            unanswered.putIfAbsent(sequence, millis);
        }
    }

    /** None of its attempts arrived. */
    synchronized void notArrived(long sequence) {
        unanswered.remove(sequence);
    }

    /** When it was first sent without an answer, milliseconds since 1970; -1 if it never was. */
    synchronized long unansweredSinceMillis(long sequence) {
        return unanswered.getOrDefault(sequence, -1L);
    }

    synchronized boolean contains(long sequence) {
        return shard(sequence) >= 0;
    }

    /** The number of an entry's shard; -1 if it does not wait. */
    private short shard(long sequence) {
        Lone alone = lone.get(sequence);
        if (alone != null) {
            return alone.shard();
        }
        Map.Entry<Long, Chunk> chunk = chunks.floorEntry(sequence);
        return chunk == null ? -1 : chunk.getValue().shard(sequence);
    }

    /** The name that an entry's shard counts under; that of the others if it does not wait. */
    synchronized String shardName(long sequence) {
        short shard = shard(sequence);
        return shard < 0 ? Shards.OTHERS : shards.name(shard);
    }

    /** The log was replayed: from now on a shard that has a name of its own keeps it. */
    synchronized void keepShardNames() {
        shards.keepNames();
    }

    /** What waits of each shard that has a name, and of all others together. Reads every entry at worst. */
    synchronized Map<String, ShardBacklog> byShard() {
        @Nullable OutboxEntry[] first = new @Nullable OutboxEntry[Shards.MOST_NAMED + 1];
        int[] alone = new int[Shards.MOST_NAMED + 1];
        for (Lone one : lone.values()) {
            if (alone[one.shard()]++ == 0) {
                first[one.shard()] = one.entry();
            }
        }
        noteFirstInChunks(first, alone);
        Map<String, ShardBacklog> backlogs = new LinkedHashMap<>();
        shards.all().forEach((number, name) -> {
            OutboxEntry oldest = first[number];
            backlogs.put(name, new ShardBacklog(shards.waiting(number), oldest == null ? -1 : oldest.addedMillis()));
        });
        return backlogs;
    }

    /** Replaces first entries by older ones in chunks; {@code alone} is how many are in no chunk. */
    private void noteFirstInChunks(@Nullable OutboxEntry[] first, int[] alone) {
        int sought = 0;
        for (short number : shards.all().keySet()) {
            sought += shards.waiting(number) > alone[number] ? 1 : 0;
        }
        @Nullable OutboxEntry[] found = new @Nullable OutboxEntry[first.length];
        for (Chunk chunk : chunks.values()) {
            if (sought == 0) {
                break;
            }
            sought -= chunk.noteFirst(found);
        }
        for (int number = 0; number < first.length; number++) {
            OutboxEntry inChunk = found[number];
            OutboxEntry standingAlone = first[number];
            if (inChunk != null && (standingAlone == null || inChunk.sequence() < standingAlone.sequence())) {
                first[number] = inChunk;
            }
        }
    }

    /** The sequence of the record that holds the certificate. */
    synchronized long location(long sequence) {
        Lone alone = lone.get(sequence);
        return alone == null ? sequence : alone.location();
    }

    synchronized int size() {
        return size;
    }

    /** Bytes of the certificates. */
    synchronized long bytes() {
        return bytes;
    }

    synchronized Optional<OutboxEntry> oldest() {
        List<OutboxEntry> first = after(-1, 1);
        return first.isEmpty() ? Optional.empty() : Optional.of(first.get(0));
    }

    /** The next entries behind a sequence, in order, {@code most} of them. */
    synchronized List<OutboxEntry> after(long sequence, int most) {
        List<OutboxEntry> found = new ArrayList<>();
        Long from = chunks.floorKey(sequence);
        for (Chunk chunk :
                chunks.tailMap(from == null ? Long.MIN_VALUE : from, true).values()) {
            if (found.size() >= most) {
                break;
            }
            chunk.collect(sequence, most, found);
        }
        int fromChunks = found.size();
        for (Lone alone : lone.tailMap(sequence, false).values()) {
            if (found.size() - fromChunks >= most) {
                break;
            }
            found.add(alone.entry());
        }
        found.sort(Comparator.comparingLong(OutboxEntry::sequence));
        return found.stream().limit(most).map(this::asKnown).toList();
    }

    private OutboxEntry asKnown(OutboxEntry entry) {
        return entry.unansweredSince(unansweredSinceMillis(entry.sequence()));
    }

    /** The entries whose certificates stand in records up to this sequence, in the order of those records; {@code most} of them. */
    synchronized List<Located> locatedUpTo(long location, int most) {
        List<Located> found = new ArrayList<>();
        for (Chunk chunk : chunks.headMap(location, true).values()) {
            List<OutboxEntry> entries = new ArrayList<>();
            chunk.collect(-1, Integer.MAX_VALUE, entries);
            for (OutboxEntry entry : entries) {
                if (entry.sequence() <= location && found.size() < most) {
                    found.add(new Located(asKnown(entry), entry.sequence()));
                }
            }
        }
        for (Lone alone : lone.values()) {
            if (alone.location() <= location) {
                found.add(new Located(asKnown(alone.entry()), alone.location()));
            }
        }
        found.sort(Comparator.comparingLong(Located::location));
        return List.copyOf(found.subList(0, Math.min(most, found.size())));
    }

    /** How many entries are kept one by one. */
    synchronized int standingAlone() {
        return lone.size();
    }

    /** The first record that is still needed; {@link Long#MAX_VALUE} if none is. */
    synchronized long firstLocation() {
        long first = lone.values().stream().mapToLong(Lone::location).min().orElse(Long.MAX_VALUE);
        List<OutboxEntry> dense = new ArrayList<>();
        for (Chunk chunk : chunks.values()) {
            chunk.collect(-1, 1, dense);
            if (!dense.isEmpty()) {
                return Math.min(first, dense.get(0).sequence());
            }
        }
        return first;
    }

    /**
     * Entries that came one after the other, 14 bytes each: sequence and time as differences from the first, the length, and the number of
     * the shard. One that is done leaves a hole; when there are more holes than a few, they are closed up. Not for several threads.
     */
    private static final class Chunk {
        private static final int CAPACITY = 512;
        private static final int HOLE = -1;

        private final long firstSequence;
        private final long firstMillis;
        private int[] sequences = new int[8];
        private int[] millis = new int[8];
        private int[] bytes = new int[8];
        private short[] shards = new short[8];
        private int used;
        private int live;

        Chunk(OutboxEntry first, short shard) {
            firstSequence = first.sequence();
            firstMillis = first.addedMillis();
            add(first, shard);
        }

        /** Takes an entry with the number of its shard. */
        interface Taker {
            void take(OutboxEntry entry, short shard);
        }

        /** Whether this entry, of a higher sequence than all of them, can be added. */
        boolean takes(OutboxEntry entry) {
            return used < CAPACITY
                    && entry.sequence() - firstSequence <= Integer.MAX_VALUE
                    && Math.abs(entry.addedMillis() - firstMillis) <= Integer.MAX_VALUE;
        }

        void add(OutboxEntry entry, short shard) {
            if (used == sequences.length) {
                resize(2 * used);
            }
            sequences[used] = (int) (entry.sequence() - firstSequence);
            millis[used] = (int) (entry.addedMillis() - firstMillis);
            bytes[used] = entry.bodyBytes();
            shards[used] = shard;
            used++;
            live++;
        }

        int size() {
            return live;
        }

        /** The number of an entry's shard; -1 if the entry is not there. */
        short shard(long sequence) {
            int index = find(sequence);
            return index < 0 ? -1 : shards[index];
        }

        /** Takes an entry out; its length in bytes, or -1 if it is not there. */
        int remove(long sequence) {
            int index = find(sequence);
            if (index < 0) {
                return -1;
            }
            int length = bytes[index];
            bytes[index] = HOLE;
            live--;
            if (live * 4 <= used) {
                closeUp();
            }
            return length;
        }

        /** Adds the entries behind {@code sequence} to a list, in order, until it has {@code most}; none of them as unanswered. */
        void collect(long sequence, int most, List<OutboxEntry> into) {
            for (int i = 0; i < used && into.size() < most; i++) {
                if (bytes[i] != HOLE && firstSequence + sequences[i] > sequence) {
                    into.add(entry(i));
                }
            }
        }

        /** All entries in order, each with the number of its shard; none of them as unanswered. */
        void forEach(Taker taker) {
            for (int i = 0; i < used; i++) {
                if (bytes[i] != HOLE) {
                    taker.take(entry(i), shards[i]);
                }
            }
        }

        /** Writes down the first entry of each shard that has none yet, by the number of the shard; how many were written down. */
        int noteFirst(@Nullable OutboxEntry[] first) {
            int noted = 0;
            for (int i = 0; i < used; i++) {
                if (bytes[i] != HOLE && first[shards[i]] == null) {
                    first[shards[i]] = entry(i);
                    noted++;
                }
            }
            return noted;
        }

        private OutboxEntry entry(int index) {
            return new OutboxEntry(firstSequence + sequences[index], firstMillis + millis[index], bytes[index], -1);
        }

        private int find(long sequence) {
            long difference = sequence - firstSequence;
            if (difference < 0 || difference > Integer.MAX_VALUE) {
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
            resize(Math.max(8, kept));
        }

        private void resize(int length) {
            sequences = Arrays.copyOf(sequences, length);
            millis = Arrays.copyOf(millis, length);
            bytes = Arrays.copyOf(bytes, length);
            shards = Arrays.copyOf(shards, length);
        }
    }
}
