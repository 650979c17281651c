// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.rows;

/**
 * The ids that may have a row: a Bloom filter of 25 bits for each id, so that about one of 30,000 absent ids is taken
 * for a known one. Not safe for several threads.
 */
final class KnownIds implements IdFilter {
    private static final int BITS_PER_ID = 25;
    private static final int HASHES = 8;
    private static final int LEAST_WORDS = 1 << 12;
    /** The words of one line of the cache, in which all bits of an id are. */
    private static final int LINE = 8;

    private final long mostWords;
    private long[] words = new long[0];
    private long size;

    /** @param mostBytes the most memory, at least {@value #LEAST_WORDS} words; with more ids, mistakes become frequent */
    KnownIds(long mostBytes) {
        mostWords = Math.min(1 << 30, Long.highestOneBit(mostBytes / Long.BYTES));
    }

    /** Forgets all ids, and makes room for more than this number, unless that takes too much memory. */
    void reset(long ids) {
        size = 0;
        words = new long[0];
        long wanted = Long.highestOneBit(Math.max(LEAST_WORDS, ids * BITS_PER_ID / Long.SIZE)) << 1;
        words = new long[(int) Math.min(wanted, mostWords)];
    }

    /** Returns whether more ids would make mistakes frequent, and {@link #reset} makes more room. */
    boolean isFull() {
        return words.length < mostWords && isOverfull();
    }

    long size() {
        return size;
    }

    /** Returns whether mistakes are frequent. */
    boolean isOverfull() {
        return size >= (long) words.length * Long.SIZE / BITS_PER_ID;
    }

    @Override
    public void add(long id) {
        size++;
        int line = line(id);
        long bits = mixed(id);
        for (int i = 0; i < HASHES; i++, bits >>>= 8) {
            words[line + (int) (bits & 7)] |= bit(id, bits, i);
        }
    }

    @Override
    public boolean mayContain(long id) {
        int line = line(id);
        long bits = mixed(id);
        for (int i = 0; i < HASHES; i++, bits >>>= 8) {
            if ((words[line + (int) (bits & 7)] & bit(id, bits, i)) == 0) {
                return false;
            }
        }
        return true;
    }

    private static long bit(long id, long bits, int hash) {
        return 1L << (((bits >>> 3) & 31) | (((id >>> hash) & 1) << 5));
    }

    private int line(long id) {
        return (int) (id >>> 16) & (words.length - LINE);
    }

    private static long mixed(long id) {
        long mixed = id * 0x9e3779b97f4a7c15L;
        return mixed ^ mixed >>> 32;
    }
}
