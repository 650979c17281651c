// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.feed;

import dev.flk.backend.decide.LoggedReview;
import dev.flk.backend.follow.DecidedPart.Outcome;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.canonical.CanonicalString;
import dev.flk.canonical.Sha256;
import dev.flk.feed.FeedEvent;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The events of a log, see {@code docs/feed.schema.json}. The value of an outcome is its line in {@code /v1/outcomes},
 * with one more member: {@code body}, the certificate as text; or, if the topic does not take it, {@code body_omitted}
 * with the number of bytes of the certificate, their SHA-256, and its sequence in the log.
 */
public final class FeedEvents {
    /** The version of the values and headers. */
    private static final String SCHEMA = "1";

    private final String logId;

    public FeedEvents(String logId) {
        this.logId = logId;
    }

    /**
     * An event of an outcome.
     *
     * @param isWhole whether the value has the certificate
     */
    public record OutcomeEvent(FeedEvent event, boolean isWhole) {}

    /**
     * Returns the event of a submission that was not overruled.
     *
     * @param maxBytes the largest number of bytes that a value may have
     */
    public OutcomeEvent outcome(Outcome outcome, int maxBytes) {
        String line = RecordedOutcomes.line(outcome.placed().version());
        byte[] whole =
                withMember(line, "body", CanonicalString.quote(new String(outcome.body(), StandardCharsets.UTF_8)));
        boolean isWhole = whole.length <= maxBytes;
        byte[] value = isWhole ? whole : withMember(line, "body_omitted", omitted(outcome));
        RowKey key = outcome.placed().version().key();
        Map<String, String> headers = headers(
                "outcome", outcome.placed().version().outcome().verdict().kind().label(), key.shard());
        headers.put("sequence", Long.toString(outcome.placed().sequence()));
        return new OutcomeEvent(new FeedEvent(key.pcsId(), value, headers), isWhole);
    }

    private static byte[] withMember(String line, String name, String json) {
        return (line.substring(0, line.length() - 1) + ",\"" + name + "\":" + json + "}")
                .getBytes(StandardCharsets.UTF_8);
    }

    private static String omitted(Outcome outcome) {
        byte[] body = outcome.body();
        return "{\"bytes\":" + body.length + ",\"sha256\":\"" + HexFormat.of().formatHex(Sha256.of(body))
                + "\",\"sequence\":" + outcome.placed().sequence() + "}";
    }

    /** Returns the event of a review, whose value is its line in {@code /v1/outcomes/changes} without the cursor. */
    public FeedEvent review(LoggedReview review) {
        return new FeedEvent(
                review.pcsId(),
                review.encode(),
                headers("review", review.review().verdict().text(), review.shardId()));
    }

    private Map<String, String> headers(String type, String verdict, String shard) {
        Map<String, String> headers = new LinkedHashMap<>();
        headers.put("type", type);
        headers.put("schema", SCHEMA);
        headers.put("verdict", verdict);
        headers.put("shard", shard);
        headers.put("log_id", logId);
        return headers;
    }
}
