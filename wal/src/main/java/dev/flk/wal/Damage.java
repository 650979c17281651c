// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.RecordFormat.Framed;
import java.io.IOException;

/**
 * A stretch of the log that had been forced and can't be read any more.
 *
 * @param kind what happened to it
 * @param segment the file's name; of a missing one that no header names, a pattern of it
 * @param offset where in the file reading failed, in bytes; 0 in a missing one
 * @param firstMissing the first sequence that is gone
 * @param lastMissing the last sequence that is gone; {@code firstMissing - 1} if a segment is missing and the others do not show which
 *     records were in it
 */
public record Damage(Kind kind, String segment, long offset, long firstMissing, long lastMissing) {

    /** Kind of damage. */
    public enum Kind {
        /** The file is there, and something in it was changed, cut off or overwritten. */
        BROKEN,
        /** The file was moved or removed. Its neighbours are whole. */
        ABSENT
    }

    /** In a file that is there. */
    public Damage(String segment, long offset, long firstMissing, long lastMissing) {
        this(Kind.BROKEN, segment, offset, firstMissing, lastMissing);
    }

    /** A segment that is missing before the one that begins with {@code next}, although no sequence is. */
    static Damage ofUnknown(Kind kind, String segment, long next) {
        return new Damage(kind, segment, 0, next, next - 1);
    }

    /** The same place, with another range of sequences. */
    Damage withMissing(long first, long last) {
        return new Damage(kind, segment, offset, first, last);
    }

    /** How many sequences are gone. */
    public long missing() {
        return lastMissing - firstMissing + 1;
    }

    /** {@code record 4}, {@code records 4 to 6}, {@code an unknown number of records}. */
    public String range() {
        if (missing() == 0) {
            return "an unknown number of records";
        }
        return firstMissing == lastMissing
                ? "record " + firstMissing
                : "records " + firstMissing + " to " + lastMissing;
    }

    /** One line for people. */
    public String describe() {
        return switch (kind) {
            case BROKEN -> "segment " + segment + " is damaged at byte " + offset + ": " + range() + " missing";
            case ABSENT -> "segment " + segment + " is not there: " + range() + " missing";
        };
    }

    /** What a reader does when it meets damage (never: a torn tail, which is normal). */
    public enum OnDamage {
        /** Stop with a {@link DamagedLogException}. */
        STOP,
        /** Note it and go on behind it. */
        SKIP
    }

    /**
     * The end of the newest segment from its first incomplete record on: cut off by a crash, in which case the next start sets it
     * aside, or being written by a running writer. It can't be distinguished from damage to the last group, since no later record
     * proves that this group was forced.
     *
     * @param segment the file's name
     * @param offset where it begins, in bytes
     * @param bytes how long it is, without the zeros behind it
     * @param sequence of the record that is not whole
     * @param lastWhole the sequence of the last whole record of the same group that stands in it; 0 if there is none
     */
    public record TornTail(String segment, long offset, long bytes, long sequence, long lastWhole) {
        static TornTail of(SegmentScan scan, long sequence) throws IOException {
            long offset = scan.offset();
            long bytes = scan.endOfContent(offset) - offset;
            long lastWhole = 0;
            for (Framed whole = scan.nextWhole(); whole != null; whole = scan.nextWhole()) {
                lastWhole = Math.max(lastWhole, whole.sequence());
            }
            return new TornTail(scan.segment(), offset, bytes, sequence, lastWhole > sequence ? lastWhole : 0);
        }
    }
}
