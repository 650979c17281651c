// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.Recorded;
import dev.flk.backend.ingest.DecisionRules.Decision;
import dev.flk.certificate.PcsId;
import dev.flk.wal.Entry;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One id on its way from its look-up to its record. Who comes with the same id meanwhile shares its end. Who waits belongs to
 * {@link Flights}, under its guard; the rest is handed from step to step. Once on disk it holds a decision and no body.
 */
final class Flight {
    private final Decision decision;
    private final String keyId;
    private final long arrivalMillis;
    private @Nullable Entry entry;
    private LowWater.@Nullable Group group;
    private long sequence;

    /** Null once everyone was told, with an error, and the flight goes on without them. */
    private @Nullable List<Candidate> waiting;

    Flight(Candidate opener) {
        this.decision = opener.decision();
        this.keyId = opener.keyId();
        this.arrivalMillis = opener.arrivalMillis();
        this.entry = opener.entry(RecordKind.SUBMISSION);
        this.waiting = new ArrayList<>(List.of(opener));
    }

    PcsId id() {
        return decision.recorded().id();
    }

    Decision decision() {
        return decision;
    }

    Recorded outcome() {
        return decision.recorded();
    }

    String keyId() {
        return keyId;
    }

    long arrivalMillis() {
        return arrivalMillis;
    }

    /** How long the body is that goes into the log. */
    int bodyBytes() {
        return Objects.requireNonNull(entry, "it is not logged yet").body().length;
    }

    /** What goes into the log; handed out once. */
    Entry takeEntry() {
        Entry taken = Objects.requireNonNull(entry, "a flight is logged once");
        entry = null;
        return taken;
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

    /** Lets a candidate wait for the end; false if nobody does any more. Called by {@link Flights} alone. */
    boolean join(Candidate candidate) {
        return waiting != null && waiting.add(candidate);
    }

    /** Nobody waits for it any more, and its outcome has expired. Called by {@link Flights} alone. */
    boolean isOver(long nowMillis) {
        return waiting == null && outcome().isExpired(nowMillis);
    }

    /** Who is to be told, in the order in which they came; nobody afterwards. Called by {@link Flights} alone. */
    List<Candidate> dismiss() {
        List<Candidate> dismissed = waiting == null ? List.of() : waiting;
        waiting = null;
        return dismissed;
    }
}
