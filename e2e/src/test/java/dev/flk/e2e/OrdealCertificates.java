// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import dev.flk.sample.Pcs;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;

/** The certificates of the ordeal by number: most are good, some hopeless. */
record OrdealCertificates(int count) {
    private static final int SHARDS = 3;
    private static final String OTHER_CONTENT = "8";

    /** What must become of one. */
    enum Kind {
        ACCEPTED,
        ESCALATED,
        /** Refused for ever. */
        WRONG_SCHEMA,
        /** Other content was recorded under its id before. */
        CONFLICT;

        boolean isHopeless() {
            return this == WRONG_SCHEMA || this == CONFLICT;
        }
    }

    static Kind kind(long number) {
        return switch ((int) (number % 50)) {
            case 17 -> Kind.WRONG_SCHEMA;
            case 33 -> Kind.CONFLICT;
            case 4, 21, 40 -> Kind.ESCALATED;
            default -> Kind.ACCEPTED;
        };
    }

    /** As a program hands it to the agent. */
    static Pcs of(long number) {
        Pcs plain = recordedBefore(number);
        return switch (kind(number)) {
            case ACCEPTED -> plain;
            case ESCALATED -> plain.with("regime", "\"sticky\"");
            case WRONG_SCHEMA -> plain.with("schema", "\"another\"");
            case CONFLICT -> plain.with("seed", OTHER_CONTENT);
        };
    }

    /** What is recorded under the id of one that is to conflict with it. */
    static Pcs recordedBefore(long number) {
        return Pcs.number(number).ofShard("shard-" + number % SHARDS);
    }

    List<Long> ofKind(Kind kind) {
        return LongStream.range(0, count)
                .filter(number -> kind(number) == kind)
                .boxed()
                .toList();
    }

    /** All numbers, by the ids of their certificates. */
    Map<String, Long> numbersById() {
        Map<String, Long> numbers = new HashMap<>();
        for (long number = 0; number < count; number++) {
            numbers.put(recordedBefore(number).id().toString(), number);
        }
        return numbers;
    }
}
