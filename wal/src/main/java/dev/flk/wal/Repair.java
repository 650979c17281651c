// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a repair did, or would do.
 *
 * @param lost what was given up: exactly these records are gone; offsets are those in the file that was set aside
 * @param declaredIn the file that declares it; null where that is still to be written, or nothing was lost
 * @param setAside the files that were damaged
 */
public record Repair(List<Damage> lost, @Nullable String declaredIn, List<SetAside> setAside) {

    /** Keeps copies. */
    public Repair {
        lost = List.copyOf(lost);
        setAside = List.copyOf(setAside);
    }

    /** Whether there was anything to do. */
    public boolean isNeeded() {
        return !lost.isEmpty() || !setAside.isEmpty();
    }

    /** How many records are gone. */
    public long missing() {
        return lost.stream().mapToLong(Damage::missing).sum();
    }

    /**
     * A damaged file.
     *
     * @param segment the name that it had
     * @param as the name that it has now; null where that is still to be done
     * @param kept how many whole records of it stay in the log; -1 if it had no whole header, and leaves the log
     */
    public record SetAside(String segment, @Nullable String as, long kept) {}
}
