// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.audit;

import dev.flk.canonical.JsonLine;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What strangers cause, in bounds: of each kind the first few of a period are told one by one, the rest by their number, at the end of
 * the period. Kinds beyond so many of a reason share one. Nothing is left uncounted. Safe for any thread.
 */
final class RefusalTally {
    /** Of one reason: so that those that need no key, which anybody can fill up, hide none that needs one. */
    private static final int MOST_KINDS_OF_A_REASON = 64;

    private static final int TOLD_OF_EACH = 3;
    private static final String OTHERS = "(others)";

    private final Map<Kind, Count> counts = new HashMap<>();
    private final Map<String, Integer> kindsOfReason = new HashMap<>();
    private List<String> told = new ArrayList<>();

    /** What is counted together. */
    record Kind(
            String event,
            String address,
            String reason,
            @Nullable String keyId) {
        private Kind others() {
            return new Kind(event, OTHERS, reason, null);
        }

        /** Adds it to a line. */
        JsonLine on(JsonLine line) {
            line.text("address", address).text("reason", reason);
            return keyId == null ? line : line.text("key", keyId);
        }
    }

    private static final class Count {
        private long all;
        private long untold;
        private Instant last = Instant.EPOCH;
    }

    /** A line that is made only if it is wanted. */
    @FunctionalInterface
    interface Line {
        String text();
    }

    /** Counts one, and tells it if it is among the first. */
    synchronized void add(Kind kind, Instant now, Line line) {
        boolean hasRoom = counts.containsKey(kind) || takeRoom(kind.reason());
        Count count = counts.computeIfAbsent(hasRoom ? kind : kind.others(), unused -> new Count());
        count.all++;
        count.last = now;
        if (hasRoom && count.all <= TOLD_OF_EACH) {
            told.add(line.text());
        } else {
            count.untold++;
        }
    }

    private boolean takeRoom(String reason) {
        return kindsOfReason.merge(reason, 1, (taken, one) -> Math.min(taken, MOST_KINDS_OF_A_REASON) + one)
                <= MOST_KINDS_OF_A_REASON;
    }

    /** What was told since the last call. */
    synchronized List<String> takeTold() {
        List<String> taken = told;
        told = new ArrayList<>();
        return taken;
    }

    /** Ends a period: a line for each kind of which not all were told. */
    synchronized List<String> endPeriod() {
        List<String> lines = new ArrayList<>();
        counts.forEach((kind, count) -> {
            if (count.untold > 0) {
                lines.add(kind.on(new JsonLine()
                                .text("time", count.last.toString())
                                .text("event", kind.event()))
                        .integer("more", count.untold)
                        .end());
            }
        });
        counts.clear();
        kindsOfReason.clear();
        return lines;
    }
}
