// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.backend.ingest.Ingest;
import dev.flk.backend.ingest.Ingest.Known;
import dev.flk.backend.ingest.Ingest.Outcome.Refused;
import dev.flk.backend.ingest.Ingest.Presence;
import dev.flk.certificate.PcsId;
import dev.flk.http.Answer;
import dev.flk.http.Exchange;
import dev.flk.http.Refusal;
import dev.flk.http.Routes.Endpoint;
import dev.flk.http.Routes.Endpoint.Request;
import dev.flk.program.json.Json;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The handler of {@code POST /v1/pcs/known}: tells an agent which of its settled certificates this backend has, so that
 * it can send the others again. Like a look-up, it needs no login.
 */
final class KnownHandler implements Endpoint.Handler {
    static final int MAX_BODY_BYTES = 128 << 10;
    private static final int MAX_IDS = 1_000;
    private static final int ANSWER_BYTES = 16 << 10;
    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private final Ingest ingest;

    KnownHandler(Ingest ingest) {
        this.ingest = ingest;
    }

    private record Question(@Nullable List<@Nullable String> ids) {
        @JsonCreator
        private Question {}
    }

    private record Told(String now, long dedupTtlSeconds, List<String> known) {}

    @Override
    public void serve(Request request, Exchange exchange) {
        Optional<List<PcsId>> ids = ids(request.body().exact());
        if (ids.isEmpty()) {
            Client.answerBadRequest(
                    exchange,
                    "the body is not {\"ids\":[...]} with at most " + MAX_IDS + " ids of 64 lower-case hex digits");
        } else if (!exchange.reserveAnswer(ANSWER_BYTES)) {
            exchange.answer(Refusal.overloaded());
        } else {
            ingest.known(ids.get(), (known, refused) -> exchange.answerLater(() -> answer(known, refused)));
        }
    }

    private static Answer answer(@Nullable Known known, @Nullable Refused refused) {
        return known == null
                ? OutcomeRenderer.answer(refused == null ? Refused.BROKEN : refused)
                : Answer.json(
                        200,
                        Json.bytes(new Told(
                                known.now().toString(),
                                known.dedupTtl().toSeconds(),
                                known.found().stream().map(Presence::word).toList())));
    }

    /** Returns the ids in a body; empty if it is not a question. */
    private static Optional<List<PcsId>> ids(byte[] body) {
        List<@Nullable String> given;
        try {
            Question question = JSON.readValue(body, Question.class);
            given = question == null ? null : question.ids();
        } catch (IOException e) {
            return Optional.empty();
        }
        if (given == null || given.size() > MAX_IDS) {
            return Optional.empty();
        }
        List<PcsId> ids = new ArrayList<>(given.size());
        for (String text : given) {
            Optional<PcsId> id = text == null ? Optional.empty() : PcsId.parse(text);
            if (id.isEmpty()) {
                return Optional.empty();
            }
            ids.add(id.get());
        }
        return Optional.of(ids);
    }
}
