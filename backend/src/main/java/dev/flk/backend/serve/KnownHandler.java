// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.backend.ingest.Ingest;
import dev.flk.certificate.PcsId;
import dev.flk.http.Answer;
import dev.flk.http.Exchange;
import dev.flk.http.Refusal;
import dev.flk.http.Routes.Endpoint;
import dev.flk.http.Routes.Endpoint.Request;
import dev.flk.program.json.Json;
import dev.flk.program.time.DaemonThreads;
import java.io.IOException;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import org.jspecify.annotations.Nullable;

/**
 * The handler of {@code POST /v1/pcs/known}: tells an agent which of its settled certificates this backend has, so that
 * it can send the others again. Like a look-up, it needs no login. A thread of its own reads the questions, because a
 * question is as much work as a thousand look-ups.
 */
final class KnownHandler implements Endpoint.Handler, AutoCloseable {
    static final int MAX_BODY_BYTES = 128 << 10;
    private static final int MAX_IDS = 1_000;
    private static final int MOST_WAITING = 4;
    private static final int ANSWER_BYTES = 16 << 10;
    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private final Ingest ingest;
    private final ThreadPoolExecutor thread = DaemonThreads.pool("known", 1, MOST_WAITING);

    KnownHandler(Ingest ingest) {
        this.ingest = ingest;
    }

    private record Question(@Nullable List<@Nullable String> ids) {
        @JsonCreator
        private Question {}
    }

    @Override
    public void serve(Request request, Exchange exchange) {
        byte[] body = request.body().exact();
        try {
            thread.execute(() -> exchange.safely(() -> serve(body, exchange)));
        } catch (RejectedExecutionException e) {
            exchange.answer(Refusal.overloaded());
        }
    }

    private void serve(byte[] body, Exchange exchange) {
        Optional<List<PcsId>> ids = ids(body);
        if (ids.isEmpty()) {
            Client.answerBadRequest(
                    exchange,
                    "the body is not {\"ids\":[...]} with at most " + MAX_IDS + " ids of 64 lower-case hex digits");
        } else if (!exchange.reserveAnswer(ANSWER_BYTES)) {
            exchange.answer(Refusal.overloaded());
        } else {
            ingest.known(
                    ids.get(),
                    (known, refused) -> exchange.answerLater(() -> refused != null
                            ? OutcomeRenderer.answer(refused)
                            : Answer.json(200, Json.bytes(Objects.requireNonNull(known)))));
        }
    }

    /** Returns the ids in a body; empty if it is not a question. */
    private static Optional<List<PcsId>> ids(byte[] body) {
        try {
            Question question = JSON.readValue(body, Question.class);
            List<@Nullable String> given = question == null ? null : question.ids();
            if (given != null && given.size() <= MAX_IDS) {
                List<PcsId> ids = given.stream()
                        .flatMap(text -> PcsId.parse(String.valueOf(text)).stream())
                        .toList();
                return ids.size() == given.size() ? Optional.of(ids) : Optional.empty();
            }
        } catch (IOException e) {
            return Optional.empty();
        }
        return Optional.empty();
    }

    /** Ends the thread. */
    @Override
    public void close() {
        thread.shutdownNow();
    }
}
