// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.decide;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.certificate.PcsId;
import dev.flk.program.json.Json;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Objects;
import java.util.OptionalLong;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A review as the body of a record of kind {@link RecordKind#REVIEW}, and as an event: one JSON object. A later record
 * of this kind, with the only member {@code voids}, names the sequence of a review that never took effect, because
 * another one had its version first.
 *
 * <p>Builds refuse members that they do not know, in the log and in rows: a new member needs a new format of rows.
 *
 * @param shardId the shard of the reviewed certificate
 * @param pcsId 64 lower-case hex digits
 */
public record LoggedReview(String shardId, long epoch, String pcsId, Review review) {
    private static final JsonMapper JSON = JsonMapper.builder()
            .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    /** The fields that a record of kind {@link RecordKind#REVIEW} may have. */
    private record Body(
            @Nullable Long voids,
            @Nullable String shardId,
            @Nullable Long epoch,
            @Nullable String pcsId,
            @Nullable Review review) {}

    /** Returns the JSON of this review. */
    public String json() {
        return Json.line(this).strip();
    }

    public byte[] encode() {
        return json().getBytes(StandardCharsets.UTF_8);
    }

    /** Returns the body of a record that says that a review never took effect. */
    public static byte[] encodeVoid(long sequence) {
        return Json.bytes(new Body(sequence, null, null, null, null));
    }

    /**
     * Returns the sequence that a record voids; empty for any other record.
     *
     * @throws IllegalArgumentException if this version does not understand the record
     */
    public static OptionalLong voided(LogRecord record) {
        Long voids = record.kind() == RecordKind.REVIEW ? body(record.body()).voids() : null;
        return voids == null ? OptionalLong.empty() : OptionalLong.of(voids);
    }

    /**
     * Decodes the output of {@link #encode}.
     *
     * @throws IllegalArgumentException if the bytes do not have the form that {@link #encode} writes
     */
    public static LoggedReview decode(byte[] bytes) {
        Body body = body(bytes);
        if (body.shardId() == null
                || body.epoch() == null
                || body.pcsId() == null
                || PcsId.parse(body.pcsId()).isEmpty()
                || body.review() == null
                || body.review().version() < 1
                || Stream.of(
                                body.review().verdict(),
                                body.review().note(),
                                body.review().author(),
                                body.review().at())
                        .anyMatch(Objects::isNull)) {
            throw new IllegalArgumentException("not a review: " + new String(bytes, StandardCharsets.UTF_8));
        }
        return new LoggedReview(body.shardId(), body.epoch(), body.pcsId(), body.review());
    }

    private static Body body(byte[] bytes) {
        try {
            return JSON.readValue(bytes, Body.class);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("not a review: " + e.getOriginalMessage(), e);
        } catch (IOException e) {
            throw new IllegalArgumentException("not a review", e);
        }
    }
}
