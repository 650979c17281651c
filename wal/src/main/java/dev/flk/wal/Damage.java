// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

/**
 * A stretch of the log that had been forced and can't be read any more.
 *
 * @param kind what happened to it
 * @param segment the file's name; of a missing one that no header names, a pattern of it
 * @param offset where in the file reading failed, in bytes; 0 in a missing one
 * @param firstMissing the first sequence that is gone
 * @param lastMissing the last sequence that is gone
 */
public record Damage(Kind kind, String segment, long offset, long firstMissing, long lastMissing) {

    /** What happened to a stretch of the log. */
    public enum Kind {
        /** The file is there, and something in it was changed, cut off or overwritten. */
        BROKEN,
        /** The file is not there: somebody moved or removed it. Its neighbours are whole. */
        ABSENT
    }

    /** In a file that is there. */
    public Damage(String segment, long offset, long firstMissing, long lastMissing) {
        this(Kind.BROKEN, segment, offset, firstMissing, lastMissing);
    }

    /** The same place, with another range of sequences. */
    Damage withMissing(long first, long last) {
        return new Damage(kind, segment, offset, first, last);
    }

    /** How many sequences are gone. */
    public long missing() {
        return lastMissing - firstMissing + 1;
    }

    /** {@code record 4}, {@code records 4 to 6}. */
    public String range() {
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
}
