// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.Reviews.Waiting;
import dev.flk.program.json.Json;
import dev.flk.verification.Verdict.Kind;
import java.time.Instant;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * An outcome of the record.
 *
 * @param reason the reason why the certificate was not accepted; empty if it was accepted
 * @param cohStar the claimed coh★; NaN if the record does not have it
 * @param measuredAt the time of the last measurement; null if the certificate does not have it
 */
public record Outcome(
        RowKey key,
        String verdict,
        String reason,
        Claim dHat,
        Claim budget,
        double cohStar,
        String regime,
        Instant receivedAt,
        @Nullable Instant measuredAt) {
    static final int SHORT_ID = 12;

    /**
     * A claimed value, and the same value as the verifier recomputed it.
     *
     * @param claimed NaN if the record does not have it
     * @param recomputed NaN if it could not be recomputed
     */
    public record Claim(double claimed, double recomputed) {
        private static Claim of(JsonNode outcome, String name) {
            return new Claim(
                    outcome.path(name).asDouble(Double.NaN),
                    outcome.path("recomputed_" + name).asDouble(Double.NaN));
        }

        /** Returns the claimed value with four decimals. */
        public String claimedText() {
            return decimals(claimed);
        }

        /** Returns the recomputed value with four decimals. */
        public String recomputedText() {
            return decimals(recomputed);
        }
    }

    /** Parses JSON that this backend has stored, and which is therefore valid. */
    static JsonNode parsed(String line) {
        try {
            return Json.parse(line);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("the store returned text that is not JSON", e);
        }
    }

    /** Returns an outcome that waits for a review, without its claims and measurement. */
    static Outcome of(Waiting waiting) {
        Claim unknown = new Claim(Double.NaN, Double.NaN);
        return new Outcome(
                waiting.row(),
                waiting.verdict(),
                waiting.reason(),
                unknown,
                unknown,
                Double.NaN,
                "",
                waiting.receivedAt(),
                null);
    }

    /** Reads an outcome from a line of the record. */
    static Outcome of(String line) {
        JsonNode json = parsed(line);
        return new Outcome(
                new RowKey(
                        json.path("shard_id").asText(),
                        json.path("epoch").asLong(),
                        json.path("pcs_id").asText()),
                json.path("verdict").asText(),
                json.path("reason").asText(),
                Claim.of(json, "D_hat"),
                Claim.of(json, "budget"),
                json.path("coh_star").asDouble(Double.NaN),
                json.path("regime").asText(),
                Instant.parse(json.path("received_at").asText()),
                json.has("window_end") ? Instant.parse(json.path("window_end").asText()) : null);
    }

    /** Returns the query in the URL of the shard's view. */
    public String shardQuery() {
        return "name=" + Pages.encoded(key.shard());
    }

    /** Returns the beginning of the id. */
    public String shortId() {
        return key.pcsId().substring(0, Math.min(SHORT_ID, key.pcsId().length()));
    }

    /** Returns the claimed coh★ with four decimals. */
    public String cohStarText() {
        return decimals(cohStar);
    }

    /** Returns whether the certificate was accepted. */
    public boolean isAccepted() {
        return verdict.equals(Kind.ACCEPTED.label());
    }

    static String decimals(double value) {
        return Double.isNaN(value) ? "–" : String.format(Locale.ROOT, "%.4f", value);
    }
}
