// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.access.limit.Limits.LimitedBy;
import dev.flk.backend.access.limit.Limits.Throttled;
import dev.flk.backend.ingest.Ingest.Outcome;
import dev.flk.backend.ingest.Ingest.Outcome.Refusal;
import dev.flk.backend.ingest.Ingest.Outcome.Refused;
import dev.flk.backend.ingest.Ingest.Outcome.Relation;
import dev.flk.http.Answer;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.EnumSet;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Tests of the rendering of each outcome as a single answer and as a line of a batch. */
class OutcomeRendererTest {
    private static final String BODY = "{\"pcs_id\":\"ab\",\"r\":1.0}";

    static Stream<Arguments> outcomes() {
        Stream<Arguments> causes = EnumSet.range(Refusal.STORE_DOWN, Refusal.UNDECIDED).stream()
                .map(why -> new Refused(why, 3))
                .map(refused ->
                        Arguments.of(refused, 503, error(refused.error()), "Retry-After: 3", "retry_after\":3"));
        return Stream.concat(
                causes,
                Stream.of(
                        Arguments.of(decided(200, Relation.FIRST), 200, BODY, "", ""),
                        Arguments.of(decided(202, Relation.FIRST), 202, BODY, "", ""),
                        Arguments.of(
                                decided(202, Relation.DUPLICATE),
                                202,
                                BODY,
                                "X-Flk-Duplicate: true",
                                "duplicate\":true"),
                        Arguments.of(
                                decided(200, Relation.CONFLICT),
                                200,
                                BODY,
                                "X-Flk-Duplicate: true, X-Flk-Conflict: true",
                                "duplicate\":true,\"conflict\":true"),
                        Arguments.of(Refused.malformed("bad \"ä\"\n"), 400, error("bad \\\"\\u00e4\\\"\\n"), "", ""),
                        Arguments.of(Refused.BAD_SIGNATURE, 401, error("Signature verification failed"), "", ""),
                        Arguments.of(
                                new Outcome.RateLimited(new Throttled(LimitedBy.SHARD, 7_000_000_000L)),
                                429,
                                error("Too many requests"),
                                "Retry-After: 7, X-Flk-Limit: shard",
                                "retry_after\":7"),
                        Arguments.of(
                                new Outcome.RateLimited(new Throttled(LimitedBy.GLOBAL, 1)),
                                429,
                                error("Too many requests"),
                                "Retry-After: 1, X-Flk-Limit: global",
                                "retry_after\":1"),
                        Arguments.of(
                                new Refused(Refusal.KEYS_OUTDATED, 2),
                                503,
                                error("keys are being updated on this backend"),
                                "Retry-After: 2",
                                "retry_after\":2"),
                        Arguments.of(Refused.LOG_FAILED, 500, error("log append failed"), "", ""),
                        Arguments.of(Refused.BROKEN, 500, error("internal error"), "", "")));
    }

    @ParameterizedTest
    @MethodSource("outcomes")
    void outcome_isRenderedAsAnswerAndAsBatchLine(
            Outcome outcome, int status, String body, String headers, String members) {
        Answer answer = OutcomeRenderer.answer(outcome);
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        OutcomeRenderer.appendLine(line, outcome, Optional.empty());

        assertThat(answer.status()).isEqualTo(status);
        assertThat(answer.bodyText()).isEqualTo(body);
        assertThat(String.join(
                        ", ",
                        answer.headers().stream()
                                .map(header -> header.name() + ": " + header.value())
                                .toList()))
                .isEqualTo(headers);
        assertThat(line.toString(StandardCharsets.UTF_8))
                .isEqualTo("{\"status\":" + status + ",\"body\":" + body + (members.isEmpty() ? "" : ",\"" + members)
                        + "}\n");
    }

    private static Outcome decided(int status, Relation relation) {
        return new Outcome.Decided(status, BODY.getBytes(StandardCharsets.UTF_8), relation);
    }

    private static String error(String text) {
        return "{\"error\":\"" + text + "\"}";
    }
}
