// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.DeclaredLosses;
import dev.flk.wal.segment.SegmentList;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The findings of a start that an operator should know.
 *
 * @param damages the damage that was skipped, in the newest segment or after it
 * @param cutTail the torn tail that was cut off; null if there was no torn tail
 * @param brokenHeaders segments whose damaged header was salvaged or derived
 * @param foreign files in the directory that are segments of other logs
 * @param losses the losses that repairs declared, and the ranges that restores skipped
 */
public record StartReport(
        List<Damage> damages,
        @Nullable CutTail cutTail,
        List<String> brokenHeaders,
        List<String> foreign,
        DeclaredLosses losses) {

    /** Copies the lists. */
    public StartReport {
        damages = List.copyOf(damages);
        brokenHeaders = List.copyOf(brokenHeaders);
        foreign = List.copyOf(foreign);
    }

    static StartReport of(SegmentList list, List<Damage> damages, @Nullable CutTail cutTail) {
        return new StartReport(damages, cutTail, list.brokenHeaders(), list.foreign(), list.losses());
    }

    /**
     * A torn tail that was cut off.
     *
     * @param offset the offset at which the tail began, in bytes
     * @param bytes the length of the tail, without zeros at its end
     * @param sequence the sequence of the first incomplete record in the tail
     * @param keptAs the name of the file that contains a copy of the tail
     */
    public record CutTail(String segment, long offset, long bytes, long sequence, String keptAs) {}

    /** Returns a warning for each finding except the damage. */
    public List<String> warnings() {
        List<String> warnings = new ArrayList<>();
        if (cutTail != null) {
            warnings.add("segment " + cutTail.segment() + " ended with " + cutTail.bytes()
                    + " bytes of unfinished records, which were cut off at byte " + cutTail.offset()
                    + " and copied to "
                    + cutTail.keptAs() + "; the log continues with record " + cutTail.sequence()
                    + ". This is normal after a crash. If somebody changed the segment, the copy may contain"
                    + " answered records");
        }
        for (String segment : brokenHeaders) {
            warnings.add(describeBrokenHeader(segment));
        }
        for (String file : foreign) {
            warnings.add(describeForeign(file));
        }
        return warnings;
    }

    /** Describes a segment with a damaged header in one line. */
    public static String describeBrokenHeader(String segment) {
        return "segment " + segment + " has a damaged header, which was read from a copy or from the next segment";
    }

    /** Describes a segment of another log in one line. */
    public static String describeForeign(String file) {
        return "file " + file + " is a segment of another log and is ignored; move it away";
    }
}
