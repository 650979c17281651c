// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Entries that came one after the other, 14 bytes each: sequence and time as differences from the first, the length, and the number of
 * the shard. One that is done leaves a hole; when there are more holes than a few, they are closed up. Not for several threads.
 */
final class Chunk {
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
