// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import com.fasterxml.jackson.core.JsonToken;
import dev.flk.canonical.Utf8Buffer;
import dev.flk.certificate.Certificate.FaultTolerance;
import dev.flk.certificate.Certificate.FaultTolerance.Window;
import dev.flk.certificate.Certificate.Regime;
import dev.flk.certificate.ContentDigest.NormalObject;
import dev.flk.certificate.Field.Problems;
import dev.flk.certificate.FieldValues.Reals;
import dev.flk.certificate.FieldValues.Rfc3339;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The fields that the signature does not cover. The fields are read while the body is parsed; their problems are
 * reported after the signature check, by {@link CertificateReader.ParsedCertificate#check}. This object is not
 * thread-safe while the fields are read, and immutable afterwards.
 */
final class UnsignedFields {
    static final String SCHEMA = "fractal-lba-kakeya";
    static final String VERSION = "0.1";
    static final int MAX_SCALES = 64;
    static final int MAX_COUNTS = 256;
    static final int MAX_V_STAR = 65_536;

    private static final String FINITE_NUMBERS = "must be finite numbers";
    private static final String FALLBACKS = "fallbacks must be an array of strings";

    private final Problems problems = new Problems();
    private final FieldValues values = new FieldValues(problems);
    private final Utf8Buffer contentText = new Utf8Buffer(256);
    private final NormalObject content = new NormalObject(contentText);

    /**
     * The normal form of {@code v_star}. The elements are converted to numbers only after the signature check, because
     * the conversion is slow.
     */
    private final Utf8Buffer vStarText = new Utf8Buffer(64);

    private int vStarNumbers;
    private boolean hasVStar;

    long attempt = 1;

    @Nullable
    Instant sentAt;

    @Nullable
    Long seed;

    final List<Integer> scales = new ArrayList<>();
    final List<String> countedScales = new ArrayList<>();
    final List<Long> counts = new ArrayList<>();

    @Nullable
    Regime regime;

    FaultTolerance faultTolerance = FaultTolerance.NONE;

    /**
     * Reads an unsigned member. On entry, {@code in} is positioned at the name of the member; on return, at the last
     * token of the value.
     */
    void read(Field field, JsonText in) throws MalformedCertificate {
        switch (field) {
            case SCALES -> readScales(in);
            case N_J -> readCounts(in);
            case V_STAR -> readVStar(in);
            case FT -> readFaultTolerance(in);
            case ATTEMPT, SENT_AT -> {
                in.next();
                NormalObject.skipValue(in);
                readScalar(field, in);
            }
            default -> {
                readUnknown(field.wireName, in);
                readScalar(field, in);
            }
        }
    }

    /** Adds a member to the content. Checks no rules for the value; {@link #readScalar} does so for known scalars. */
    void readUnknown(String name, JsonText in) throws MalformedCertificate {
        content.name(in);
        content.value(name, in);
    }

    /** Reads the signature, which is not part of the content; returns null if the value is not a string. */
    @Nullable
    String sig(JsonText in) {
        return values.string(in, Field.SIG);
    }

    /** Ends the content and records the required fields that are missing. */
    void end(Set<Field> seen) throws MalformedCertificate {
        content.close();
        problems.addMissing(Field.REQUIRED, seen);
    }

    /** Returns line 2 of the preimage of {@link ContentDigest}. */
    Utf8Buffer content() {
        return contentText;
    }

    private void readScalar(Field field, JsonText in) {
        switch (field) {
            case SCHEMA -> {
                if (values.isString(in, field) && !in.is(SCHEMA)) {
                    problems.add(field, "must be \"" + SCHEMA + "\"");
                }
            }
            case VERSION -> {
                if (values.isString(in, field) && !in.is(VERSION)) {
                    problems.add(
                            field,
                            MalformedCertificate.quoted(in.text()) + " is not supported; supported versions: "
                                    + VERSION);
                }
            }
            case ATTEMPT -> {
                Long number = values.clampedInteger(in, field, "must be an integer");
                attempt = number == null ? 1 : number;
                if (attempt < 1) {
                    problems.add(field, "must be at least 1");
                }
            }
            case SENT_AT -> {
                String text = values.string(in, field);
                sentAt = text == null ? null : Rfc3339.parse(text).orElse(null);
                if (sentAt == null) {
                    problems.add(field, "must be an RFC 3339 time like 2026-01-19T10:30:45Z");
                }
            }
            case SEED -> seed = values.int64(in, field);
            case REGIME -> {
                regime = values.isString(in, field) ? Regime.named(in::is) : null;
                if (regime == null) {
                    problems.add(field, "must be sticky, mixed or non_sticky");
                }
            }
            default -> throw new IllegalStateException(field + " is not an unsigned scalar");
        }
    }

    private void readScales(JsonText in) throws MalformedCertificate {
        if (content.name(in) != JsonToken.START_ARRAY) {
            problems.add(Field.SCALES, "must be an array of integers");
        }
        content.value(Field.SCALES.wireName, in, name -> {
            if (problems.has(Field.SCALES)) {
                return;
            }
            long scale = in.isInt64() ? in.int64() : 0;
            if (scale < 1 || scale > Integer.MAX_VALUE) {
                problems.add(Field.SCALES, "must be integers from 1 to " + Integer.MAX_VALUE);
            } else if (scales.size() == MAX_SCALES) {
                problems.add(Field.SCALES, "must have at most " + MAX_SCALES + " elements");
            } else if (scales.contains((int) scale)) {
                problems.add(Field.SCALES, "must not repeat: " + scale + " does");
            } else {
                scales.add((int) scale);
            }
        });
    }

    private void readCounts(JsonText in) throws MalformedCertificate {
        if (content.name(in) != JsonToken.START_OBJECT) {
            problems.add(Field.N_J, "must be an object of integers");
        }
        content.value(Field.N_J.wireName, in, name -> {
            if (problems.has(Field.N_J)) {
                return;
            }
            if (!isPlainDecimal(name)) {
                problems.add(
                        Field.N_J,
                        "must have decimal keys without leading zeros, not " + MalformedCertificate.quoted(name));
            }
            if (!in.isInt64()) {
                problems.add(
                        Field.N_J,
                        "must have 64-bit integers as values; the value of " + MalformedCertificate.quoted(name)
                                + " is not one");
            } else if (counts.size() == MAX_COUNTS) {
                problems.add(Field.N_J, "must have at most " + MAX_COUNTS + " keys");
            } else {
                countedScales.add(name);
                counts.add(in.int64());
            }
        });
    }

    private static boolean isPlainDecimal(String key) {
        for (int i = 0; i < key.length(); i++) {
            if (key.charAt(i) < '0' || key.charAt(i) > '9') {
                return false;
            }
        }
        return !key.isEmpty() && (key.charAt(0) != '0' || key.length() == 1);
    }

    private void readVStar(JsonText in) throws MalformedCertificate {
        hasVStar = true;
        if (in.next() != JsonToken.START_ARRAY) {
            problems.add(Field.V_STAR, "must be an array of finite numbers");
        }
        NormalObject.appendValue(vStarText, in, name -> {
            if (problems.has(Field.V_STAR)) {
                return;
            }
            if (vStarNumbers == MAX_V_STAR) {
                problems.add(Field.V_STAR, "must have at most " + MAX_V_STAR + " elements");
            } else if (!in.token().isNumeric()) {
                problems.add(Field.V_STAR, FINITE_NUMBERS);
            } else {
                vStarNumbers++;
            }
        });
    }

    /** Adds the problems of these fields to {@code found}, except the problems that {@link #vStar} finds. */
    void addProblemsTo(Problems found) {
        found.addAll(problems);
    }

    /**
     * Returns the elements of {@code v_star}; null if the field is missing. If an element is out of the range of a
     * double, adds a problem to {@code found}.
     */
    @Nullable
    List<Double> vStar(Problems found) {
        if (!hasVStar) {
            return null;
        }
        List<Double> elements = new ArrayList<>(vStarNumbers);
        int from = 1;
        for (int i = 0; i < vStarNumbers; i++) {
            int end = from;
            while (vStarText.at(end) != ',' && vStarText.at(end) != ']') {
                end++;
            }
            double element = Reals.parse(vStarText.array(), from, end);
            if (Double.isInfinite(element)) {
                found.add(Field.V_STAR, FINITE_NUMBERS);
                return elements;
            }
            elements.add(element);
            from = end + 1;
        }
        return elements;
    }

    private void readFaultTolerance(JsonText in) throws MalformedCertificate {
        if (in.next() != JsonToken.START_OBJECT) {
            NormalObject.skipValue(in);
            problems.add(Field.FT, "must be an object");
            return;
        }
        Long outboxSeq = null;
        boolean degraded = false;
        List<String> fallbacks = new ArrayList<>();
        Long clockSkewMillis = null;
        Optional<Instant> windowStart = Optional.empty();
        Optional<Instant> windowEnd = Optional.empty();
        NormalObject members = new NormalObject(new Utf8Buffer(64));
        while (in.next() == JsonToken.FIELD_NAME) {
            String name = in.text();
            if (members.name(in) == JsonToken.START_ARRAY && name.equals("fallbacks")) {
                members.value(name, in, unnamed -> {
                    if (in.token() == JsonToken.VALUE_STRING) {
                        fallbacks.add(in.text());
                    } else {
                        problems.add(Field.FT, FALLBACKS);
                    }
                });
                continue;
            }
            members.value(name, in);
            switch (name) {
                case "outbox_seq" -> outboxSeq = values.clampedInteger(in, Field.FT, "outbox_seq must be an integer");
                case "clock_skew_ms" ->
                    clockSkewMillis = values.clampedInteger(in, Field.FT, "clock_skew_ms must be an integer");
                case "window_start" -> windowStart = ftTime(in);
                case "window_end" -> windowEnd = ftTime(in);
                case "fallbacks" -> problems.add(Field.FT, FALLBACKS);
                case "degraded" -> {
                    degraded = in.token() == JsonToken.VALUE_TRUE;
                    if (!degraded && in.token() != JsonToken.VALUE_FALSE) {
                        problems.add(Field.FT, "degraded must be true or false");
                    }
                }
                default -> {}
            }
        }
        members.close();
        Window window = windowStart.isPresent()
                        && windowEnd.isPresent()
                        && !windowEnd.get().isBefore(windowStart.get())
                ? new Window(windowStart.get(), windowEnd.get())
                : null;
        faultTolerance = new FaultTolerance(outboxSeq, degraded, fallbacks, clockSkewMillis, window);
    }

    /** Returns the value as a time; empty if the value is not a time. A value that is not a time breaks no rule. */
    private static Optional<Instant> ftTime(JsonText in) throws MalformedCertificate {
        return in.token() == JsonToken.VALUE_STRING ? Rfc3339.parse(in.text()) : Optional.empty();
    }
}
