// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * The entries that are not settled, in the order of their sequences, without their certificates: 12 to 16 bytes each while they came
 * one after the other, some 130 bytes for one that stands alone or was moved, and some 80 bytes more while nobody knows whether it
 * arrived. Safe for several threads.
 */
final class Pending {
    /** So few are left of a chunk that they are kept one by one. */
    private static final int FEW = 8;

    /** By the sequence of the first that was ever in it. */
    private final TreeMap<Long, Chunk> chunks = new TreeMap<>();

    private final TreeMap<Long, Lone> lone = new TreeMap<>();
    /** When they were first sent without an answer, by sequence. */
    private final Map<Long, Long> unanswered = new HashMap<>();

    private int size;
    private long bytes;

    /** An entry on its own; {@code location} is the sequence of the record that holds its certificate. */
    private record Lone(Entry entry, long location) {}

    /** An entry, and the sequence of the record that holds its certificate. */
    record Located(Entry entry, long location) {}

    /** Adds an entry whose certificate stands in the record of its sequence, which is higher than all before it. */
    synchronized void add(Entry entry) {
        Chunk last = chunks.isEmpty() ? null : chunks.lastEntry().getValue();
        if (last != null && last.takes(entry)) {
            last.add(entry);
        } else {
            chunks.put(entry.sequence(), new Chunk(entry));
            if (last != null) {
                dissolveIfFew(entry.sequence() - 1);
            }
        }
        size++;
        bytes += entry.bodyBytes();
    }

    /** The certificate of an entry stands in another record from now on; the entry is added if it is not there. */
    synchronized void relocate(Entry entry, long location) {
        takeOut(entry.sequence());
        lone.put(entry.sequence(), new Lone(entry, location));
        size++;
        bytes += entry.bodyBytes();
        if (entry.unansweredSinceMillis() >= 0) {
            unanswered.put(entry.sequence(), entry.unansweredSinceMillis());
        }
    }

    /** The certificate of an entry stands in another record from now on; nothing happens if it does not wait any more. */
    synchronized void relocateIfThere(long sequence, long location) {
        if (contains(sequence)) {
            relocate(after(sequence - 1, 1).get(0), location);
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
            size--;
            bytes -= alone.entry().bodyBytes();
            return true;
        }
        Map.Entry<Long, Chunk> chunk = chunks.floorEntry(sequence);
        int length = chunk == null ? -1 : chunk.getValue().remove(sequence);
        if (length < 0) {
            return false;
        }
        size--;
        bytes -= length;
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
        List<Entry> left = new ArrayList<>();
        of.getValue().collect(-1, FEW, left);
        left.forEach(entry -> lone.put(entry.sequence(), new Lone(entry, entry.sequence())));
    }

    /** It is being sent, and nobody knows whether it arrives; the first such time counts. */
    synchronized void beingSent(long sequence, long millis) {
        if (contains(sequence)) {
            unanswered.putIfAbsent(sequence, millis);
        }
    }

    /** It did not arrive, whenever it was sent. */
    synchronized void notArrived(long sequence) {
        unanswered.remove(sequence);
    }

    /** When it was first sent without an answer, milliseconds since 1970; -1 if it never was. */
    synchronized long unansweredSinceMillis(long sequence) {
        return unanswered.getOrDefault(sequence, -1L);
    }

    synchronized boolean contains(long sequence) {
        Map.Entry<Long, Chunk> chunk = chunks.floorEntry(sequence);
        return lone.containsKey(sequence) || (chunk != null && chunk.getValue().contains(sequence));
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

    synchronized Optional<Entry> oldest() {
        List<Entry> first = after(-1, 1);
        return first.isEmpty() ? Optional.empty() : Optional.of(first.get(0));
    }

    /** The next entries behind a sequence, in order, {@code most} of them. */
    synchronized List<Entry> after(long sequence, int most) {
        List<Entry> found = new ArrayList<>();
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
        found.sort(Comparator.comparingLong(Entry::sequence));
        return found.stream().limit(most).map(this::asKnown).toList();
    }

    private Entry asKnown(Entry entry) {
        return entry.unansweredSince(unansweredSinceMillis(entry.sequence()));
    }

    /** The entries whose certificates stand in records up to this sequence, in the order of those records; {@code most} of them. */
    synchronized List<Located> locatedUpTo(long location, int most) {
        List<Located> found = new ArrayList<>();
        for (Chunk chunk : chunks.headMap(location, true).values()) {
            List<Entry> entries = new ArrayList<>();
            chunk.collect(-1, Integer.MAX_VALUE, entries);
            for (Entry entry : entries) {
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
        List<Entry> dense = new ArrayList<>();
        for (Chunk chunk : chunks.values()) {
            chunk.collect(-1, 1, dense);
            if (!dense.isEmpty()) {
                return Math.min(first, dense.get(0).sequence());
            }
        }
        return first;
    }
}
