// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.segment;

import dev.flk.wal.segment.RecordFormat.Framed;
import java.io.IOException;
import java.util.Optional;

/**
 * A range of forced records that can't be read any more.
 *
 * @param kind the kind of damage
 * @param segment the name of the file; a pattern if the file is missing and no header names it
 * @param offset the offset in the file at which reading failed, in bytes; 0 if the file is missing
 * @param firstMissing the first missing sequence
 * @param lastMissing the last missing sequence; {@code firstMissing - 1} if a segment is missing or broken and the
 *     other segments do not show which records were in it
 */
public record Damage(Kind kind, String segment, long offset, long firstMissing, long lastMissing) {

    /** The kind of damage. */
    public enum Kind {
        /** The file exists, and a part of it was changed, truncated or overwritten. */
        BROKEN,
        /** The file is missing: it was moved or removed. */
        ABSENT
    }

    /** Creates the damage of an existing file. */
    public Damage(String segment, long offset, long firstMissing, long lastMissing) {
        this(Kind.BROKEN, segment, offset, firstMissing, lastMissing);
    }

    /**
     * Returns the damage of a missing or broken file whose loss leaves no gap in the sequences; {@code next} is the
     * first sequence after the file.
     */
    public static Damage ofUnknown(Kind kind, String segment, long next) {
        return new Damage(kind, segment, 0, next, next - 1);
    }

    /** Returns a copy with another range of sequences. */
    Damage withMissing(long first, long last) {
        return new Damage(kind, segment, offset, first, last);
    }

    /** Returns the part of the missing sequences after {@code sequence}; empty if no later sequence is missing. */
    public Optional<Damage> after(long sequence) {
        return lastMissing <= sequence
                ? Optional.empty()
                : Optional.of(withMissing(Math.max(firstMissing, sequence + 1), lastMissing));
    }

    /** Returns the number of missing sequences; 0 if it is unknown. */
    public long missing() {
        return lastMissing - firstMissing + 1;
    }

    /** Returns {@code record 4}, {@code records 4 to 6} or {@code an unknown number of records}. */
    public String range() {
        if (missing() == 0) {
            return "an unknown number of records";
        }
        return firstMissing == lastMissing
                ? "record " + firstMissing
                : "records " + firstMissing + " to " + lastMissing;
    }

    /** Describes the damage in one line. */
    public String describe() {
        return switch (kind) {
            case BROKEN -> "segment " + segment + " is damaged at byte " + offset + ": " + range() + " can't be read";
            case ABSENT -> "segment " + segment + " is missing, with " + range();
        };
    }

    /** The reaction of a reader to damage. A torn tail is not damage. */
    public enum OnDamage {
        /** Throw a {@link DamagedLogException}. */
        STOP,
        /** Note the damage and continue after it. */
        SKIP
    }

    /**
     * The end of the newest segment from its first incomplete record on. Either a crash interrupted the write, in which
     * case the next start sets the tail aside, or the writer is running and still writes these records. A torn tail
     * can't be distinguished from damage to the last group, because no later record proves that this group was forced.
     *
     * @param segment the name of the file
     * @param offset the offset at which the tail begins, in bytes
     * @param bytes the length of the tail, without the zeros after it
     * @param sequence the sequence of the first incomplete record
     * @param lastComplete the highest sequence of a complete record in the tail; 0 if no complete record follows the
     *     incomplete one
     */
    public record TornTail(String segment, long offset, long bytes, long sequence, long lastComplete) {
        static TornTail of(SegmentScan scan, long sequence) throws IOException {
            long offset = scan.offset();
            long bytes = scan.endOfContent(offset) - offset;
            long lastComplete = 0;
            for (Framed whole = scan.nextComplete(); whole != null; whole = scan.nextComplete()) {
                lastComplete = Math.max(lastComplete, whole.sequence());
            }
            return new TornTail(scan.segment(), offset, bytes, sequence, lastComplete > sequence ? lastComplete : 0);
        }
    }
}
