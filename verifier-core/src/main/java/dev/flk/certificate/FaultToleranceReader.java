// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import com.fasterxml.jackson.core.JsonToken;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/** Reads the field {@code ft}. */
final class FaultToleranceReader {
    private FaultToleranceReader() {}

    static FaultTolerance read(JsonInput in, FieldValues values, Problems problems) throws MalformedCertificate {
        if (in.token() != JsonToken.START_OBJECT) {
            values.wrongType(Field.FT, "must be an object");
            return FaultTolerance.NOTHING_SAID;
        }
        Long outboxSeq = null;
        boolean degraded = false;
        List<String> fallbacks = List.of();
        Long clockSkewMillis = null;
        while (in.next() == JsonToken.FIELD_NAME) {
            String key = in.text();
            JsonToken token = in.next();
            switch (key) {
                case "outbox_seq" -> outboxSeq = integer(values, "outbox_seq must be an integer");
                case "clock_skew_ms" -> clockSkewMillis = integer(values, "clock_skew_ms must be an integer");
                case "fallbacks" -> fallbacks = strings(in, values, problems);
                case "degraded" -> {
                    degraded = token == JsonToken.VALUE_TRUE;
                    if (!degraded && token != JsonToken.VALUE_FALSE) {
                        values.wrongType(Field.FT, "degraded must be true or false");
                    }
                }
                default -> in.skipChildren();
            }
        }
        return new FaultTolerance(outboxSeq, degraded, fallbacks, clockSkewMillis);
    }

    private static @Nullable Long integer(FieldValues values, String rule) throws MalformedCertificate {
        OptionalLong value = values.clampedInteger(Field.FT, rule);
        return value.isPresent() ? value.getAsLong() : null;
    }

    private static List<String> strings(JsonInput in, FieldValues values, Problems problems)
            throws MalformedCertificate {
        String rule = "fallbacks must be an array of strings";
        if (in.token() != JsonToken.START_ARRAY) {
            values.wrongType(Field.FT, rule);
            return List.of();
        }
        List<String> strings = new ArrayList<>();
        while (in.next() != JsonToken.END_ARRAY) {
            if (in.token() == JsonToken.VALUE_STRING) {
                strings.add(in.text());
            } else {
                problems.add(Field.FT, rule);
                in.skipChildren();
            }
        }
        return strings;
    }
}
