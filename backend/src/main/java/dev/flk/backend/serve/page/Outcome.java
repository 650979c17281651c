// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.program.cli.Json;
import java.time.Instant;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * An outcome of the record.
 *
 * @param reason the reason why the certificate was not accepted; empty if it was accepted
 * @param claimed the claimed D̂
 * @param recomputed the recomputed D̂; NaN if it could not be recomputed
 * @param budget the claimed budget; NaN if the record does not have it; the same applies to {@code cohStar}
 * @param recomputedBudget the recomputed budget; NaN if it could not be recomputed
 * @param measuredAt the time of the last measurement; null if the certificate does not have it
 */
public record Outcome(
        String shard,
        long epoch,
        String id,
        String verdict,
        String reason,
        double claimed,
        double recomputed,
        double budget,
        double recomputedBudget,
        double cohStar,
        String regime,
        Instant receivedAt,
        @Nullable Instant measuredAt) {
    private static final int SHORT_ID = 12;

    /** Parses JSON that this backend has stored, and which is therefore valid. */
    static JsonNode parsed(String line) {
        try {
            return Json.parse(line);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("the store returned text that is not JSON", e);
        }
    }

    /** Reads an outcome from a line of the record. */
    static Outcome of(String line) {
        JsonNode json = parsed(line);
        return new Outcome(
                json.path("shard_id").asText(),
                json.path("epoch").asLong(),
                json.path("pcs_id").asText(),
                json.path("verdict").asText(),
                json.path("reason").asText(),
                json.path("D_hat").asDouble(Double.NaN),
                json.path("recomputed_D_hat").asDouble(Double.NaN),
                json.path("budget").asDouble(Double.NaN),
                json.path("recomputed_budget").asDouble(Double.NaN),
                json.path("coh_star").asDouble(Double.NaN),
                json.path("regime").asText(),
                Instant.parse(json.path("received_at").asText()),
                json.has("window_end") ? Instant.parse(json.path("window_end").asText()) : null);
    }

    /** Returns the query in the URL of the shard's view. */
    public String shardQuery() {
        return "name=" + Pages.encoded(shard);
    }

    /** Returns the beginning of the id. */
    public String shortId() {
        return id.substring(0, Math.min(SHORT_ID, id.length()));
    }

    /** Returns the claimed D̂ with four decimals. */
    public String claimedText() {
        return decimals(claimed);
    }

    /** Returns the recomputed D̂ with four decimals. */
    public String recomputedText() {
        return decimals(recomputed);
    }

    /** Returns the claimed budget with four decimals. */
    public String budgetText() {
        return decimals(budget);
    }

    /** Returns the recomputed budget with four decimals. */
    public String recomputedBudgetText() {
        return decimals(recomputedBudget);
    }

    /** Returns the claimed coh★ with four decimals. */
    public String cohStarText() {
        return decimals(cohStar);
    }

    /** Returns whether the certificate was accepted. */
    public boolean isAccepted() {
        return verdict.equals("accepted");
    }

    static String decimals(double value) {
        return Double.isNaN(value) ? "–" : String.format(Locale.ROOT, "%.4f", value);
    }
}
