// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.backend.decide.Review;
import dev.flk.backend.decide.Review.Verdict;
import dev.flk.backend.outcomes.record.MemoryRecord;
import dev.flk.backend.outcomes.record.OutcomeRows.Group;
import dev.flk.backend.outcomes.record.OutcomeRows.Placed;
import dev.flk.backend.outcomes.record.OutcomeRows.Position;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.review.Reviews.Subject;
import dev.flk.backend.serve.record.ChangesHandler;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Tests of {@code /v1/outcomes/changes} on a real server. */
@Timeout(120)
final class ChangesHandlerTest {
    private static final String PATH = "/v1/outcomes/changes";
    private static final Instant NOW = ServerFixture.NOW;
    private static final String REASON = "D_hat out of tolerance: claimed=1.4000";
    private static final JsonMapper JSON = new JsonMapper();

    @RegisterExtension
    private final ServerFixture server = new ServerFixture();

    private final MemoryRecord record = new MemoryRecord();

    @BeforeEach
    void start() {
        server.record = record.outcomes();
        server.reviews = record.reviews(server.metrics, NOW);
    }

    @AfterEach
    void close() {
        record.close();
    }

    private String add(String shard, int epoch, String verdict) {
        return record.add(shard, epoch, verdict, verdict.equals("accepted") ? "" : REASON, NOW.plusSeconds(epoch));
    }

    private void review(Verdict verdict, String... ids) {
        var unused = server.reviews.review(
                new Subject.Ids(List.of(ids), -1), new Review(0, verdict, "a note", "anna", NOW.toString()));
    }

    private HttpResponse<String> get(String query) throws IOException, InterruptedException {
        return getPath(PATH + query);
    }

    private HttpResponse<String> getPath(String path) throws IOException, InterruptedException {
        return server.send("GET", path, "");
    }

    private static String cursor(HttpResponse<String> answer) {
        return answer.headers().firstValue("X-Flk-Cursor").orElseThrow();
    }

    private static String next(HttpResponse<String> answer) {
        return "?cursor=" + cursor(answer);
    }

    /** Returns the kind, the epoch and the verdict of each event. */
    private static List<String> events(HttpResponse<String> answer) throws IOException {
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
        List<String> events = new ArrayList<>();
        for (String line : answer.body().lines().toList()) {
            events.add(event(line));
        }
        return events;
    }

    private static String event(String line) throws IOException {
        JsonNode event = JSON.readTree(line);
        JsonNode review = event.path("review");
        return event.path("kind").asText() + " " + event.path("epoch").asText() + " "
                + (review.isMissingNode() ? event : review).path("verdict").asText();
    }

    private static void assertError(HttpResponse<String> answer, int status, String text) {
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(status);
        assertThat(answer.body()).startsWith("{\"error\":\"").contains(text);
    }

    @Test
    void changes_fromTheBeginning_areInTheOrderOfTheLog() throws Exception {
        add("a", 1, "accepted");
        String rejected = add("b <&>", 2, "rejected");
        review(Verdict.FAULT, rejected);
        add("b <&>", 2, "escalated");

        HttpResponse<String> answer = get("");

        assertThat(events(answer))
                .containsExactly("outcome 1 accepted", "outcome 2 rejected", "review 2 fault", "outcome 2 escalated");
        assertThat(answer.headers().firstValue("Content-Type")).contains("application/x-ndjson");
        assertThat(answer.headers().firstValue("X-Flk-Covers")).contains("all-backends");
        assertThat(answer.headers().firstValue("X-Flk-More")).isEmpty();
        List<String> lines = answer.body().lines().toList();
        String current = getPath("/v1/outcomes?verdict=escalated").body().strip();
        assertThat(lines.get(3).replaceFirst("\\{\"kind\":\"outcome\",\"cursor\":\"[^\"]+\",", "{"))
                .as("an outcome is its line in /v1/outcomes, with kind and cursor")
                .isEqualTo(current);
        assertThat(lines.get(2).replaceFirst("\"cursor\":\"[^\"]+\"", "\"cursor\":\"…\""))
                .isEqualTo("{\"kind\":\"review\",\"cursor\":\"…\",\"shard_id\":\"b <&>\",\"epoch\":2,\"pcs_id\":\""
                        + rejected + "\",\"review\":{\"version\":1,\"verdict\":\"fault\",\"note\":\"a note\","
                        + "\"author\":\"anna\",\"at\":\"" + NOW + "\"}}");
        assertThat(JSON.readTree(lines.get(3)).path("cursor").asText()).isEqualTo(cursor(answer));
        assertThat(events(get(next(answer)))).isEmpty();
    }

    @Test
    void record_lacksSomething_headersNameIt() throws Exception {
        record.lack("log records 4 to 6");

        for (String path : List.of("/v1/outcomes", "/v1/outcomes/changes", "/v1/shards")) {
            HttpResponse<String> answer = getPath(path);
            assertThat(answer.headers().firstValue("X-Flk-Gap")).as(path).contains("log records 4 to 6");
            assertThat(answer.headers().firstValue("X-Flk-Incomplete-Before")).isEmpty();
        }
    }

    /** Continues after each event, in parts of each size, and expects each event once. */
    @Test
    void changes_continuedAfterAnyEvent_missAndRepeatNothing() throws Exception {
        List<String> rejected = new ArrayList<>();
        for (int epoch = 1; epoch <= 5; epoch++) {
            rejected.add(add("s".repeat(epoch == 3 ? 300 : 1), epoch, "rejected"));
        }
        review(Verdict.IGNORE, rejected.get(0), rejected.get(2), rejected.get(4));
        review(Verdict.FAULT, rejected.get(2));
        HttpResponse<String> all = get("");
        List<String> expected = events(all);
        assertThat(expected).hasSize(9).endsWith("review 3 fault");

        List<String> lines = all.body().lines().toList();
        for (int i = 0; i < lines.size(); i++) {
            String cursor = JSON.readTree(lines.get(i)).path("cursor").asText();
            assertThat(events(get("?cursor=" + cursor)))
                    .as("after event %s", i)
                    .isEqualTo(expected.subList(i + 1, expected.size()));
        }
        for (int limit = 1; limit <= 10; limit++) {
            List<String> read = new ArrayList<>();
            String query = "";
            boolean hasMore = true;
            while (hasMore) {
                HttpResponse<String> part = get(query + (query.isEmpty() ? "?" : "&") + "limit=" + limit);
                read.addAll(events(part));
                query = next(part);
                hasMore = part.headers().firstValue("X-Flk-More").isPresent();
            }
            assertThat(read).as("limit %s", limit).isEqualTo(expected);
        }
        assertThat(lines.get(6)).contains("\"shard_id\":\"" + "s".repeat(300) + "\"");
    }

    @Test
    void cursorNow_hasNoEvents_andIsFollowedByLaterOnes() throws Exception {
        review(Verdict.FAULT, add("a", 1, "rejected"));

        HttpResponse<String> now = get("?cursor=now");
        assertThat(events(now)).isEmpty();
        String later = add("a", 2, "rejected");
        review(Verdict.EXPECTED, later);

        assertThat(events(get(next(now)))).containsExactly("outcome 2 rejected", "review 2 expected");
    }

    @Test
    void conditions_selectOutcomesAndTheirReviews_andTheCursorAdvances() throws Exception {
        String ofA = add("a", 1, "rejected");
        String ofB = add("b", 2, "escalated");
        add("b", 3, "accepted");
        review(Verdict.IGNORE, ofA, ofB);

        assertThat(events(get("?shard=b")))
                .containsExactly("outcome 2 escalated", "outcome 3 accepted", "review 2 ignore");
        assertThat(events(get("?verdict=rejected"))).containsExactly("outcome 1 rejected", "review 1 ignore");
        assertThat(events(get("?from=" + NOW.plusSeconds(3)))).containsExactly("outcome 3 accepted");
        assertThat(events(get("?measured_from=" + NOW))).isEmpty();
        HttpResponse<String> none = get("?regime=sticky");
        assertThat(events(none)).isEmpty();
        add("b", 4, "accepted");
        assertThat(events(get(next(none)))).containsExactly("outcome 4 accepted");
        assertError(get("?verdict=good"), 400, "verdict is not one of accepted, escalated, rejected");
        assertError(get("?id=1"), 400, "unknown parameter, id");
    }

    @Test
    void cursor_thatIsNotOne_is400() throws Exception {
        add("a", 1, "rejected");
        for (String cursor : List.of("x", "*", "bm8", "YQpiCmM", "YQo", "Cng")) {
            assertError(get("?cursor=" + cursor), 400, "cursor was not returned by");
        }
        assertError(get("?follow=true&limit=1"), 400, "limit is for a single answer");
        assertError(get("?follow=yes"), 400, "follow is not one of false, true");
    }

    private void apply(String logId, int epoch, String verdict) {
        apply(record, logId, epoch, verdict);
    }

    private static void apply(MemoryRecord record, String logId, int epoch, String verdict) {
        Version version = MemoryRecord.version("a", epoch, verdict, REASON, NOW, Map.of(), "%064d".formatted(epoch));
        record.rows()
                .apply(new Group(
                        new Position(logId, epoch, "d"), List.of(new Placed(epoch, version)), List.of(), Map.of()));
    }

    @Test
    void cursor_logWentBackOrRowsWereRemovedOrForeign_saysWhyAndWhatToDo() throws Exception {
        apply("log-1", 1, "accepted");
        HttpResponse<String> atFirst = get("");
        record.rows().wentBack("log-1");
        apply("log-1", 1, "rejected");
        assertError(get(next(atFirst)), 410, "history changed");
        assertError(get(next(atFirst)), 410, "fetch cursor=now, then read /v1/outcomes");
        assertThat(get("?follow=true&cursor=" + cursor(atFirst)).statusCode()).isEqualTo(410);

        HttpResponse<String> atSecond = get("?limit=1");
        apply("log-1", 2, "accepted");
        while (record.rows().sweep(NOW.plusSeconds(1))) {
            // there is more to remove
        }
        assertError(get(next(atSecond)), 410, "compacted");

        try (MemoryRecord other = new MemoryRecord()) {
            server.record = other.outcomes();
            assertError(get(next(atSecond)), 503, "nothing has been read from the log yet");
            apply(other, "log-2", 1, "accepted");
            assertError(get(next(atSecond)), 400, "belongs to another backend");
        }
    }

    /** A client that follows the changes. */
    private final class Follower implements AutoCloseable {
        private final BufferedReader lines;
        private final HttpResponse<java.io.InputStream> answer;
        private String id = "";

        Follower(String query, String... headers) throws IOException, InterruptedException {
            answer = server.send(BodyHandlers.ofInputStream(), "GET", PATH + query, "", headers);
            lines = new BufferedReader(new InputStreamReader(answer.body(), StandardCharsets.UTF_8));
        }

        /** Waits for the next event, and returns its data. */
        String data() throws IOException {
            String data = "";
            while (true) {
                String line = lines.readLine();
                if (line == null) {
                    throw new IOException("the stream has ended");
                }
                if (line.startsWith("id: ")) {
                    id = line.substring(4);
                } else if (line.startsWith("data: ")) {
                    data = line.substring(6);
                } else if (line.isEmpty() && !data.isEmpty()) {
                    return data;
                }
            }
        }

        /** Waits for an id without an event. */
        String progress() throws IOException {
            String line = lines.readLine();
            while (!line.startsWith("id: ")) {
                line = lines.readLine();
            }
            assertThat(lines.readLine()).isEmpty();
            return line.substring(4);
        }

        @Override
        public void close() throws IOException {
            lines.close();
        }
    }

    @Test
    void follow_streamsEventsAsTheyOccur_andContinuesAfterTheLastEventId() throws Exception {
        String first = add("a", 1, "rejected");
        String id;
        try (Follower follower = new Follower("?follow=true")) {
            assertThat(follower.answer.headers().firstValue("Content-Type")).contains("text/event-stream");
            assertThat(event(follower.data())).isEqualTo("outcome 1 rejected");
            review(Verdict.FAULT, first);
            assertThat(event(follower.data())).isEqualTo("review 1 fault");
            for (int epoch = 2; epoch < 500; epoch++) {
                add("a", epoch, "accepted");
            }
            for (int epoch = 2; epoch < 500; epoch++) {
                String data = follower.data();
                assertThat(event(data)).isEqualTo("outcome " + epoch + " accepted");
                assertThat(JSON.readTree(data).path("cursor").asText()).isEqualTo(follower.id);
            }
            id = follower.id;
            assertThat(server.sample("flk_record_watchers")).isEqualTo("1.0");
        }
        add("a", 500, "escalated");

        try (Follower follower = new Follower("", "Accept", "text/event-stream", "Last-Event-ID", id)) {
            assertThat(event(follower.data())).isEqualTo("outcome 500 escalated");
        }
        await().until(() -> server.sample("flk_record_watchers").equals("0.0"));
    }

    @Test
    void follow_conditionsSelectNothing_sendsTheAdvancedCursor() throws Exception {
        add("a", 1, "accepted");
        try (Follower follower = new Follower("?follow=true&verdict=rejected")) {
            String progress = follower.progress();
            add("a", 2, "accepted");

            assertThat(events(get("?cursor=" + progress))).containsExactly("outcome 2 accepted");
        }
    }

    @Test
    void follow_recordIsLost_streamEnds_andTheNextRequestSaysWhy() throws Exception {
        apply("log-1", 1, "accepted");
        try (Follower follower = new Follower("?follow=true")) {
            assertThat(event(follower.data())).isEqualTo("outcome 1 accepted");
            record.rows().wentBack("log-1");
            apply("log-1", 1, "rejected");

            String line;
            do {
                line = follower.lines.readLine();
            } while (line != null);

            assertThat(get("?follow=true&cursor=" + follower.id).statusCode()).isEqualTo(410);
        }
    }

    @Test
    void follow_tooManyClients_theNextIsRefused() throws Exception {
        List<Follower> followers = new ArrayList<>();
        for (int i = 0; i < ChangesHandler.MOST_STREAMS; i++) {
            followers.add(new Follower("?follow=true"));
        }

        assertError(get("?follow=true"), 503, "too many event streams");
        assertThat(events(get(""))).isEmpty();
        followers.remove(0).close();
        await().until(() -> server.sample("flk_record_watchers").equals(ChangesHandler.MOST_STREAMS - 1 + ".0"));
        followers.add(new Follower("?follow=true"));
        assertThat(followers.get(followers.size() - 1).answer.statusCode()).isEqualTo(200);
        for (Follower follower : followers) {
            follower.close();
        }
    }

    @Test
    void changes_withoutRecord_is404() throws Exception {
        server.record = null;

        assertError(get(""), 404, "keeps no record of outcomes");
        assertError(get("?follow=true"), 404, "keeps no record of outcomes");
        server.reviews = null;
        assertError(getPath("/v1/reviews"), 404, "keeps no record of outcomes");
    }
}
