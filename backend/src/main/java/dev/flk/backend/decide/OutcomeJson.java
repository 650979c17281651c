// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.decide;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.backend.decide.RecordedOutcome.Boxes;
import dev.flk.backend.decide.RecordedOutcome.Claims;
import dev.flk.canonical.CanonicalDouble;
import dev.flk.canonical.CanonicalString;
import dev.flk.certificate.BoxCounts;
import dev.flk.certificate.Certificate.FaultTolerance.Window;
import dev.flk.certificate.Certificate.Regime;
import dev.flk.certificate.PcsId;
import dev.flk.program.json.Json;
import dev.flk.verification.Verdict;
import dev.flk.verification.Verdict.Kind;
import dev.flk.verification.Verdict.Recomputed;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * The JSON of an outcome in the record, an object with these members:
 *
 * <pre>
 * verdict              accepted, escalated or rejected
 * D_hat … policy       as in the answer, except that a long reason is cut
 * budget coh_star r    as claimed
 * merkle_root          as claimed
 * N_j, scales          as claimed, if they are not too long
 * window_start, _end   the times of the measurements, if the certificate has them; they are not signed
 * received_at, key_id  the arrival and the key of the submission
 * </pre>
 *
 * <p>If the outcome was decided for other content of the same id, the object has the member {@code other_content}, but
 * neither the claims nor the {@code key_id}.
 */
public final class OutcomeJson {
    private OutcomeJson() {}

    /** Returns the JSON of an outcome. */
    public static String of(RecordedOutcome outcome) {
        StringBuilder json = new StringBuilder(1_024).append('{');
        appendMembers(json, outcome);
        return json.append('}').toString();
    }

    /** Appends the members of an outcome without braces. */
    public static void appendMembers(StringBuilder json, RecordedOutcome outcome) {
        Verdict verdict = outcome.verdict();
        Recomputed recomputed = verdict.recomputed();
        Claims claims = outcome.claims();
        json.append("\"verdict\":\"").append(verdict.kind().label()).append('"');
        append(json, "D_hat", verdict.claimedDHat());
        if (recomputed != null) {
            append(json, "recomputed_D_hat", recomputed.dHat());
            append(json, "recomputed_budget", recomputed.budget());
            append(json, "regime", recomputed.regime().wireName());
        }
        if (verdict.reason() != null) {
            append(json, "reason", verdict.reason().text());
        }
        append(json, "policy", verdict.policyHash());
        if (claims == null) {
            json.append(",\"other_content\":true");
        } else {
            append(json, "budget", claims.budget());
            append(json, "coh_star", claims.cohStar());
            append(json, "r", claims.r());
            append(json, "merkle_root", claims.merkleRoot());
            if (claims.boxes() != null) {
                append(json, claims.boxes());
            }
            if (claims.window() != null) {
                append(json, "window_start", claims.window().start().toString());
                append(json, "window_end", claims.window().end().toString());
            }
        }
        append(json, "received_at", outcome.receivedAt().toString());
        if (claims != null) {
            append(json, "key_id", claims.keyId());
        }
    }

    private static void append(StringBuilder json, String name, double value) {
        json.append(",\"").append(name).append("\":").append(CanonicalDouble.print(value));
    }

    private static void append(StringBuilder json, String name, String value) {
        CanonicalString.appendQuoted(json.append(",\"").append(name).append("\":"), value);
    }

    private static void append(StringBuilder json, Boxes boxes) {
        BoxCounts counts = boxes.counts();
        json.append(",\"N_j\":{");
        String separator = "";
        for (int i = 0; i < counts.scales().size(); i++) {
            CanonicalString.appendQuoted(json.append(separator), counts.scales().get(i));
            json.append(':').append(counts.counts().get(i).longValue());
            separator = ",";
        }
        json.append("},\"scales\":[");
        separator = "";
        for (int scale : boxes.scales()) {
            json.append(separator).append(scale);
            separator = ",";
        }
        json.append(']');
    }

    static int length(Boxes boxes) {
        StringBuilder json = new StringBuilder();
        append(json, boxes);
        return json.length();
    }

    /**
     * Parses the JSON of an outcome.
     *
     * @throws IllegalArgumentException if this version does not understand it
     */
    public static RecordedOutcome parse(PcsId id, String json) {
        try {
            JsonNode outcome = Json.parse(json);
            Kind kind =
                    one(Stream.of(Kind.values()).filter(each -> isText(outcome, "verdict", each.label())), "verdict");
            return new RecordedOutcome(
                    verdict(id, kind, outcome),
                    time(outcome, "received_at").toEpochMilli(),
                    outcome.has("other_content") ? null : claims(outcome));
        } catch (JsonProcessingException | DateTimeException | ArithmeticException e) {
            throw new IllegalArgumentException("the outcome of " + id + " can't be read: " + e.getMessage(), e);
        }
    }

    /**
     * Reads a verdict from the members of an answer, or of an outcome in the record.
     *
     * @throws IllegalArgumentException if this version does not understand it
     */
    static Verdict verdict(PcsId id, Kind kind, JsonNode answer) {
        return new Verdict(
                id,
                number(answer, "D_hat"),
                kind,
                !answer.has("regime")
                        ? null
                        : new Recomputed(
                                number(answer, "recomputed_D_hat"),
                                number(answer, "recomputed_budget"),
                                one(
                                        Stream.of(Regime.values())
                                                .filter(each -> isText(answer, "regime", each.wireName())),
                                        "regime")),
                !answer.has("reason") ? null : ReasonKind.reason(text(answer, "reason")),
                text(answer, "policy"));
    }

    private static Claims claims(JsonNode outcome) {
        return new Claims(
                number(outcome, "budget"),
                number(outcome, "coh_star"),
                number(outcome, "r"),
                text(outcome, "merkle_root"),
                outcome.has("N_j") ? boxes(outcome) : null,
                !outcome.has("window_end")
                        ? null
                        : new Window(time(outcome, "window_start"), time(outcome, "window_end")),
                text(outcome, "key_id"));
    }

    private static Boxes boxes(JsonNode outcome) {
        List<String> names = new ArrayList<>();
        List<Long> counts = new ArrayList<>();
        outcome.path("N_j").properties().forEach(each -> {
            names.add(each.getKey());
            counts.add(each.getValue().longValue());
        });
        List<Integer> scales = new ArrayList<>();
        outcome.path("scales").forEach(each -> scales.add(each.intValue()));
        return new Boxes(new BoxCounts(names, counts), scales);
    }

    private static boolean isText(JsonNode outcome, String name, String text) {
        return text.equals(outcome.path(name).textValue());
    }

    private static <T> T one(Stream<T> known, String name) {
        return known.findFirst().orElseThrow(() -> unknown(name));
    }

    private static double number(JsonNode outcome, String name) {
        if (!outcome.path(name).isNumber()) {
            throw unknown(name);
        }
        return outcome.path(name).doubleValue();
    }

    private static String text(JsonNode outcome, String name) {
        String text = outcome.path(name).textValue();
        if (text == null) {
            throw unknown(name);
        }
        return text;
    }

    private static Instant time(JsonNode outcome, String name) {
        return Instant.parse(text(outcome, name));
    }

    private static IllegalArgumentException unknown(String name) {
        return new IllegalArgumentException("the outcome has no " + name + " that this version understands");
    }
}
