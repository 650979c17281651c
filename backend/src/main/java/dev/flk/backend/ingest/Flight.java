// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.Recorded;
import dev.flk.certificate.PcsId;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One id on its way from its look-up to its record. Who comes with the same id meanwhile shares its end. What is mutable belongs
 * to {@link Flights}, under its guard, but for the log's group, which is set before the flight is handed to the recorder.
 */
final class Flight {
    private final Candidate opener;
    private LowWater.@Nullable Group group;
    private long sequence;

    /** Null once everyone was told, with an error, and the flight waits for the store. */
    @Nullable
    List<Candidate> waiting = new ArrayList<>(1);

    Flight(Candidate opener) {
        this.opener = opener;
        this.waiting = new ArrayList<>(List.of(opener));
    }

    PcsId id() {
        return opener.id();
    }

    Candidate opener() {
        return opener;
    }

    Recorded outcome() {
        return opener.decision().recorded();
    }

    /** It is on disk. */
    void logged(long atSequence, LowWater.Group inGroup) {
        sequence = atSequence;
        group = inGroup;
    }

    long sequence() {
        return sequence;
    }

    LowWater.@Nullable Group group() {
        return group;
    }
}
