// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes;

import java.util.HexFormat;
import java.util.random.RandomGenerator;

/**
 * The mark that a store keeps next to the position of this log. Each write has another mark, and no two marks ever
 * written are equal. A store that was emptied or restored from an older copy, and a write of another process, can
 * therefore be detected. Each store has its own encoding.
 *
 * @param incarnation hex digits that are drawn at each connect
 * @param counter the number of the write within the incarnation; 0 before the first one
 */
public record WriteMark(String incarnation, long counter) {

    /**
     * Returns the mark of a new incarnation, before its first write.
     *
     * @param bytes the length of the incarnation, of two hex digits each
     */
    public static WriteMark drawn(RandomGenerator random, int bytes) {
        byte[] bits = new byte[bytes];
        random.nextBytes(bits);
        return new WriteMark(HexFormat.of().formatHex(bits), 0);
    }

    /** Returns the mark of the next write of this incarnation. */
    public WriteMark next() {
        return new WriteMark(incarnation, counter + 1);
    }

    /** Returns whether {@code other} is this mark, or marks a later write of the same incarnation. */
    public boolean isReachedBy(WriteMark other) {
        return other.incarnation.equals(incarnation) && other.counter >= counter;
    }
}
