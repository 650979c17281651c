// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.flk.certificate.Certificate.Regime;
import dev.flk.verification.Verdict;
import java.io.IOException;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The members of a version by which it is found.
 *
 * @param receivedMillis the arrival, in milliseconds since the epoch; {@link #UNKNOWN} if the value has none
 * @param measuredMillis the last measurement; {@link #UNKNOWN} if the value has none
 * @param kind the verdict and the regime, see {@link #kind(String, String)}
 * @param signingKey the id of the signing key; empty if it is unknown
 */
public record RowMembers(long receivedMillis, long measuredMillis, int kind, String signingKey) {
    public static final long UNKNOWN = Long.MIN_VALUE;

    /** The verdicts that queries distinguish. */
    public static final List<String> VERDICTS =
            Stream.of(Verdict.Kind.values()).map(Verdict.Kind::label).toList();

    /** Stands for all verdicts that this version does not know. */
    public static final String UNKNOWN_VERDICT = "unknown";

    /** The regimes that queries distinguish. */
    public static final List<String> REGIMES =
            Stream.of(Regime.values()).map(Regime::wireName).toList();

    private static final int OTHER = 3;
    private static final JsonFactory JSON = new JsonFactory();

    /** Reads the members out of the value of a version. */
    static RowMembers of(String json) {
        long received = UNKNOWN;
        long measured = UNKNOWN;
        String verdict = "";
        String regime = "";
        String signingKey = "";
        try (JsonParser parser = JSON.createParser(json)) {
            parser.nextToken();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                parser.nextToken();
                switch (name) {
                    case "verdict" -> verdict = parser.getText();
                    case "regime" -> regime = parser.getText();
                    case "received_at" -> received = millis(parser.getText());
                    case "window_end" -> measured = millis(parser.getText());
                    case "key_id" -> signingKey = parser.getText();
                    default -> parser.skipChildren();
                }
            }
        } catch (IOException e) {
            throw new IllegalArgumentException("a row is not JSON: " + e.getMessage(), e);
        }
        return new RowMembers(received, measured, kind(verdict, regime), signingKey);
    }

    private static long millis(String time) {
        try {
            return millis(Instant.parse(time));
        } catch (DateTimeException e) {
            return UNKNOWN;
        }
    }

    /** Returns a time in milliseconds since the epoch; {@link #UNKNOWN} if it is too far away. */
    static long millis(Instant time) {
        try {
            return time.toEpochMilli();
        } catch (ArithmeticException e) {
            return UNKNOWN;
        }
    }

    /** Combines a verdict with a regime to one number. All texts that this version does not know count as one. */
    static int kind(String verdict, String regime) {
        return code(VERDICTS, verdict) << 2 | code(REGIMES, regime);
    }

    private static int code(List<String> known, String text) {
        int index = known.indexOf(text);
        return index < 0 ? OTHER : index;
    }

    /** Returns the verdict of a kind. */
    public static String verdict(int kind) {
        int code = kind >> 2;
        return code < VERDICTS.size() ? VERDICTS.get(code) : UNKNOWN_VERDICT;
    }

    /** Returns whether an outcome of this kind may have a reason: every outcome that is not accepted. */
    static boolean mayHaveReason(int kind) {
        return kind >> 2 != 0;
    }

    /** Returns all kinds that combine this verdict with this regime; null stands for any. */
    public static List<Integer> kinds(@Nullable String verdict, @Nullable String regime) {
        return IntStream.rangeClosed(0, OTHER << 2 | OTHER)
                .filter(kind -> verdict == null || kind >> 2 == code(VERDICTS, verdict))
                .filter(kind -> regime == null || (kind & OTHER) == code(REGIMES, regime))
                .boxed()
                .toList();
    }
}
