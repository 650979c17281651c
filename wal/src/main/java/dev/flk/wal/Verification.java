// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * What a reading of a whole log found.
 *
 * @param records how many records are whole
 * @param first the sequence of the first of them; 0 if there is none
 * @param last the sequence of the last of them; 0 if there is none
 * @param damages what had been forced and is gone, oldest first
 * @param givenUp what of it is known to be gone since a repair, and no damage any more
 * @param tornTail where the log ends unfinished; null if it does not
 */
public record Verification(
        long records,
        long first,
        long last,
        List<Damage> damages,
        List<Damage> givenUp,
        @Nullable TornTail tornTail) {

    /** Keeps copies. */
    public Verification {
        damages = List.copyOf(damages);
        givenUp = List.copyOf(givenUp);
    }

    /** Whether nothing is missing but, perhaps, a torn tail. */
    public boolean isWhole() {
        return damages.isEmpty();
    }

    /** How many sequences are gone. */
    public long missing() {
        return damages.stream().mapToLong(Damage::missing).sum();
    }

    /** How many sequences repairs gave up. */
    public long lost() {
        return givenUp.stream().mapToLong(Damage::missing).sum();
    }

    /** This one, with only those damages that begin where an earlier look found one, too. */
    Verification alsoMissingIn(Verification earlier) {
        Set<Long> known = earlier.damages().stream().map(Damage::firstMissing).collect(Collectors.toSet());
        return new Verification(
                records,
                first,
                last,
                damages.stream()
                        .filter(damage -> known.contains(damage.firstMissing()))
                        .toList(),
                givenUp,
                tornTail);
    }
}
