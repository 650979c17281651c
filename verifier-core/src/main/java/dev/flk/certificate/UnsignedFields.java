// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import com.fasterxml.jackson.core.JsonToken;
import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The fields that no signature covers, read and checked in the second phase. One thread's own. */
final class UnsignedFields {
    static final String SCHEMA = "fractal-lba-kakeya";
    static final String VERSION = "0.1";
    static final int MAX_SCALES = 64;
    static final int MAX_COUNTS = 256;
    static final int MAX_V_STAR = 65_536;

    private static final Set<Field> REQUIRED =
            EnumSet.of(Field.SCHEMA, Field.VERSION, Field.SENT_AT, Field.SCALES, Field.N_J, Field.REGIME);

    private final Problems problems;
    private final Set<Field> seen = EnumSet.noneOf(Field.class);

    long attempt = 1;

    @Nullable
    Instant sentAt;

    @Nullable
    Long seed;

    final Set<Integer> scales = new LinkedHashSet<>();
    final Map<String, Long> counts = new LinkedHashMap<>();

    @Nullable
    List<Double> vStar;

    @Nullable
    Regime regime;

    FaultTolerance faultTolerance = FaultTolerance.NOTHING_SAID;

    private UnsignedFields(Problems problems) {
        this.problems = problems;
    }

    /** Reads what the first phase left as two well-formed objects, and notes each broken rule. */
    static UnsignedFields read(String content, String aside, Problems problems) throws MalformedCertificate {
        UnsignedFields fields = new UnsignedFields(problems);
        try (JsonInput in = JsonText.of(content)) {
            fields.readObject(in);
        }
        try (JsonInput in = JsonText.of(aside)) {
            fields.readObject(in);
        }
        fields.requireAll();
        return fields;
    }

    /** The same from the tokens that the first phase met. */
    static UnsignedFields read(RecordedTokens recorded, Problems problems) throws MalformedCertificate {
        UnsignedFields fields = new UnsignedFields(problems);
        try (JsonInput in = JsonInput.of(recorded)) {
            fields.readObject(in);
        }
        fields.requireAll();
        return fields;
    }

    private void requireAll() {
        for (Field field : REQUIRED) {
            if (!seen.contains(field)) {
                problems.add(field, "is missing");
            }
        }
    }

    private void readObject(JsonInput in) throws MalformedCertificate {
        FieldValues values = new FieldValues(in, problems);
        in.next();
        while (in.next() == JsonToken.FIELD_NAME) {
            Field field = Field.named(in.text());
            in.next();
            if (field == null) {
                in.skipChildren();
            } else {
                seen.add(field);
                readField(field, in, values);
            }
        }
    }

    private void readField(Field field, JsonInput in, FieldValues values) throws MalformedCertificate {
        switch (field) {
            case SCHEMA -> readSchema(values);
            case VERSION -> readVersion(values);
            case ATTEMPT -> readAttempt(values);
            case SENT_AT -> readSentAt(values);
            case SEED -> {
                OptionalLong value = values.int64(field);
                seed = value.isPresent() ? value.getAsLong() : null;
            }
            case SCALES -> readScales(in, values);
            case N_J -> readCounts(in, values);
            case V_STAR -> readVStar(in, values);
            case REGIME -> readRegime(values);
            case SIG -> values.string(field);
            case FT -> faultTolerance = FaultToleranceReader.read(in, values, problems);
            default -> throw new IllegalStateException(field + " is signed");
        }
    }

    private void readSchema(FieldValues values) throws MalformedCertificate {
        String schema = values.string(Field.SCHEMA);
        if (schema != null && !schema.equals(SCHEMA)) {
            problems.add(Field.SCHEMA, "must be \"" + SCHEMA + "\"");
        }
    }

    private void readVersion(FieldValues values) throws MalformedCertificate {
        String version = values.string(Field.VERSION);
        if (version != null && !version.equals(VERSION)) {
            problems.add(
                    Field.VERSION,
                    MalformedCertificate.shown(version) + " is not understood; versions understood: " + VERSION);
        }
    }

    private void readAttempt(FieldValues values) throws MalformedCertificate {
        OptionalLong value = values.clampedInteger(Field.ATTEMPT, "must be an integer");
        attempt = value.orElse(1);
        if (attempt < 1) {
            problems.add(Field.ATTEMPT, "must be at least 1");
        }
    }

    private void readSentAt(FieldValues values) throws MalformedCertificate {
        String text = values.string(Field.SENT_AT);
        if (text != null) {
            sentAt = Rfc3339.parse(text).orElse(null);
            if (sentAt == null) {
                problems.add(Field.SENT_AT, "must be an RFC 3339 time like 2026-01-19T10:30:45Z");
            }
        }
    }

    private void readRegime(FieldValues values) throws MalformedCertificate {
        String name = values.string(Field.REGIME);
        if (name != null) {
            regime = Regime.parse(name).orElse(null);
            if (regime == null) {
                problems.add(Field.REGIME, "must be sticky, mixed or non_sticky");
            }
        }
    }

    private void readScales(JsonInput in, FieldValues values) throws MalformedCertificate {
        if (in.token() != JsonToken.START_ARRAY) {
            values.wrongType(Field.SCALES, "must be an array of integers");
            return;
        }
        while (in.next() != JsonToken.END_ARRAY) {
            if (problems.has(Field.SCALES)) {
                in.skipChildren();
                continue;
            }
            long scale = values.int64().orElse(0);
            if (scale < 1 || scale > Integer.MAX_VALUE) {
                problems.add(Field.SCALES, "must be integers from 1 to " + Integer.MAX_VALUE);
            } else if (scales.size() == MAX_SCALES) {
                problems.add(Field.SCALES, "must have at most " + MAX_SCALES + " elements");
            } else if (!scales.add((int) scale)) {
                problems.add(Field.SCALES, "must not repeat: " + scale + " does");
            }
        }
    }

    private void readCounts(JsonInput in, FieldValues values) throws MalformedCertificate {
        if (in.token() != JsonToken.START_OBJECT) {
            values.wrongType(Field.N_J, "must be an object of integers");
            return;
        }
        while (in.next() == JsonToken.FIELD_NAME) {
            String key = in.text();
            in.next();
            if (problems.has(Field.N_J)) {
                in.skipChildren();
                continue;
            }
            if (!isPlainDecimal(key)) {
                problems.add(
                        Field.N_J,
                        "must have decimal keys without leading zero: " + MalformedCertificate.shown(key) + " is none");
            }
            OptionalLong count = values.int64();
            if (count.isEmpty()) {
                problems.add(Field.N_J, "must be 64-bit integers: " + MalformedCertificate.shown(key) + " is none");
            } else if (counts.size() == MAX_COUNTS) {
                problems.add(Field.N_J, "must have at most " + MAX_COUNTS + " keys");
            } else {
                counts.put(key, count.getAsLong());
            }
        }
    }

    private static boolean isPlainDecimal(String key) {
        for (int i = 0; i < key.length(); i++) {
            if (key.charAt(i) < '0' || key.charAt(i) > '9') {
                return false;
            }
        }
        return !key.isEmpty() && (key.charAt(0) != '0' || key.length() == 1);
    }

    private void readVStar(JsonInput in, FieldValues values) throws MalformedCertificate {
        if (in.token() != JsonToken.START_ARRAY) {
            values.wrongType(Field.V_STAR, "must be an array of finite numbers");
            return;
        }
        List<Double> elements = new ArrayList<>();
        while (in.next() != JsonToken.END_ARRAY) {
            if (problems.has(Field.V_STAR)) {
                in.skipChildren();
            } else if (elements.size() == MAX_V_STAR) {
                problems.add(Field.V_STAR, "must have at most " + MAX_V_STAR + " elements");
                in.skipChildren();
            } else {
                OptionalDouble element = values.real(Field.V_STAR, "must be finite numbers");
                element.ifPresent(elements::add);
            }
        }
        vStar = elements;
    }

    /** Reads the field {@code ft}. */
    private static final class FaultToleranceReader {
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
}
