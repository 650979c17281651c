// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a start found that an operator should know.
 *
 * @param damages what was damaged in the newest segment and was skipped
 * @param cutTail the unfinished end of the newest segment, which was cut off; null if there was none
 * @param brokenHeaders segments whose header is damaged, although their records can be read
 * @param foreign files in the directory that hold segments of other logs
 */
public record StartReport(
        List<Damage> damages, @Nullable CutTail cutTail, List<String> brokenHeaders, List<String> foreign) {

    /** Keeps copies. */
    public StartReport {
        damages = List.copyOf(damages);
        brokenHeaders = List.copyOf(brokenHeaders);
        foreign = List.copyOf(foreign);
    }

    static StartReport of(SegmentList list, List<Damage> damages, @Nullable CutTail cutTail) {
        return new StartReport(damages, cutTail, list.brokenHeaders(), list.foreign());
    }

    /**
     * The end of a segment that was cut off.
     *
     * @param offset where it began, in bytes
     * @param bytes its length, without zeros at its end
     * @param sequence of the first record that is not complete
     * @param keptAs the file that has it now
     */
    public record CutTail(String segment, long offset, long bytes, long sequence, String keptAs) {}

    /** One sentence for each finding but the damages, for a warning in a program's log. */
    public List<String> warnings() {
        List<String> warnings = new ArrayList<>();
        if (cutTail != null) {
            warnings.add(
                    "segment " + cutTail.segment() + " ended with " + cutTail.bytes()
                            + " bytes of unfinished records: they were cut off at byte " + cutTail.offset()
                            + " and kept as "
                            + cutTail.keptAs() + "; the log continues with record " + cutTail.sequence()
                            + ". That is normal after a crash. If the disk was changed by hand, answered records may be among them");
        }
        for (String segment : brokenHeaders) {
            warnings.add(describeBrokenHeader(segment));
        }
        for (String file : foreign) {
            warnings.add(describeForeign(file));
        }
        return warnings;
    }

    /** One line for people. */
    public static String describeBrokenHeader(String segment) {
        return "segment " + segment + " has a damaged header; its records could be read all the same";
    }

    /** One line for people. */
    public static String describeForeign(String file) {
        return "file " + file + " is a segment of another log: none of its records counts; move it away";
    }
}
