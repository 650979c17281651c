// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.operate.cli.CommandLineProgram;
import dev.flk.backend.outcomes.record.MemoryRecord;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.backend.outcomes.record.Review;
import dev.flk.backend.outcomes.record.Reviews;
import dev.flk.backend.outcomes.record.Reviews.AllWaiting;
import dev.flk.backend.outcomes.record.Reviews.ReviewMetrics;
import dev.flk.backend.serve.guard.OperatorConfig.Login;
import dev.flk.backend.state.MemoryEngine;
import dev.flk.program.cli.Json;
import dev.flk.program.config.Secret;
import dev.flk.state.Operation;
import dev.flk.state.StateEngine;
import dev.flk.state.StateKey;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Tests of reviews over HTTP: the API and the forms of the page. */
final class ReviewHandlerTest {
    private static final String REASON = "D_hat out of tolerance: claimed=1.4000";

    /** The time of a review, as a member of an answer. */
    private static final String AT = "\"at\":\"" + ServerFixture.NOW + "\"";

    @RegisterExtension
    private final ServerFixture server = new ServerFixture();

    private final HttpClient client = HttpClient.newHttpClient();
    private final MemoryRecord record = new MemoryRecord();
    private final ReviewMetrics metrics = new ReviewMetrics(server.metrics, 2);

    @BeforeEach
    void start() {
        server.record = record.outcomes();
        server.reviews = reviews(record.engine());
    }

    private Reviews reviews(StateEngine engine) {
        return new Reviews(
                record.outcomes(), engine, Duration.ofDays(1), Duration.ofDays(90), () -> ServerFixture.NOW, metrics);
    }

    @AfterEach
    void close() {
        record.close();
    }

    private String rejected(int epoch) {
        return record.add("pump <7>", epoch, "rejected", REASON, ServerFixture.NOW.minusSeconds(epoch));
    }

    private HttpResponse<String> send(String method, String target, String body, String... headers)
            throws IOException, InterruptedException {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + server.port() + target))
                .method(method, body.isEmpty() ? BodyPublishers.noBody() : BodyPublishers.ofString(body));
        if (headers.length > 0) {
            request.headers(headers);
        }
        return client.send(request.build(), BodyHandlers.ofString());
    }

    private String put(String body, String... headers) throws IOException, InterruptedException {
        HttpResponse<String> answer = send("PUT", "/v1/reviews", body, headers);
        return answer.statusCode() + " " + answer.body();
    }

    @Test
    void put_removesACertificateFromTheList() throws Exception {
        String first = rejected(1);
        String second = rejected(2);
        assertThat(send("GET", "/v1/reviews", "").body().lines())
                .hasSize(2)
                .first()
                .asString()
                .contains("\"pcs_id\":\"" + first + "\"", "\"shard_id\":\"pump <7>\"");

        assertThat(put("{\"ids\":[\"" + first + "\"],\"verdict\":\"fault\",\"note\":\"worn\",\"author\":\"anna\"}"))
                .isEqualTo("200 {\"reviewed\":1," + AT + "}");

        assertThat(send("GET", "/v1/reviews?state=waiting", "").body().lines())
                .singleElement()
                .asString()
                .contains(second);
        HttpResponse<String> reviewed = send("GET", "/v1/reviews?state=reviewed&limit=1", "");
        assertThat(reviewed.body())
                .isEqualTo("{\"shard_id\":\"pump <7>\",\"pcs_id\":\"" + first
                        + "\",\"version\":1,\"verdict\":\"fault\",\"note\":\"worn\",\"author\":\"anna\",\"at\":\""
                        + ServerFixture.NOW + "\"}\n");
        String cursor = reviewed.headers().firstValue("X-Flk-Cursor").orElseThrow();
        HttpResponse<String> rest = send("GET", "/v1/reviews?state=reviewed&cursor=" + cursor, "");
        assertThat(rest.body()).isEmpty();
        assertThat(rest.headers().firstValue("X-Flk-Cursor")).isEmpty();
    }

    @Test
    void put_ofTwoReviewers_keepsTheFirst_andTellsTheSecondWhoWasFirst() throws Exception {
        String id = rejected(1);
        String first = "{\"ids\":[\"" + id + "\"],\"verdict\":\"fault\",\"author\":\"anna\"}";
        String second = "{\"ids\":[\"" + id.substring(0, 8) + "\"],\"verdict\":\"ignore\",\"author\":\"ben\"}";

        HttpResponse<String> recorded = send("PUT", "/v1/reviews", first, "If-None-Match", "*");
        assertThat(recorded.statusCode()).isEqualTo(200);
        assertThat(recorded.headers().firstValue("ETag")).contains("\"1\"");
        for (String[] condition :
                new String[][] {{"If-None-Match", "*"}, {"If-Match", "\"0\""}, {"If-Match", "\"2\""}}) {
            HttpResponse<String> refused = send("PUT", "/v1/reviews", second, condition);
            assertThat(refused.statusCode() + " " + refused.body())
                    .isEqualTo(
                            "412 {\"error\":\"nothing was recorded: anna reviewed it as fault at " + ServerFixture.NOW
                                    + " (version 1)\",\"review\":{\"version\":1,\"verdict\":\"fault\",\"note\":\"\","
                                    + "\"author\":\"anna\",\"at\":\"" + ServerFixture.NOW + "\"}}");
            assertThat(refused.headers().firstValue("ETag")).contains("\"1\"");
        }
        recorded = send("PUT", "/v1/reviews", second, "If-Match", "\"1\"");
        assertThat(recorded.body()).isEqualTo("{\"reviewed\":1," + AT + "}");
        assertThat(recorded.headers().firstValue("ETag")).contains("\"2\"");

        String other = rejected(2);
        assertThat(put("{\"ids\":[\"" + other + "\"],\"verdict\":\"fault\"}", "If-Match", "\"1\""))
                .isEqualTo("412 {\"error\":\"nothing was recorded: nobody has reviewed it\"}");
        assertThat(put("{\"ids\":[\"" + id + "\",\"" + other + "\"],\"verdict\":\"fault\"}", "If-None-Match", "*"))
                .isEqualTo("200 {\"reviewed\":1," + AT + ",\"left_out\":1,\"left_out_ids\":[\"" + id + "\"]}");
        assertThat(put("{\"ids\":[\"" + id + "\",\"" + other + "\"],\"verdict\":\"fault\"}", "If-None-Match", "*"))
                .isEqualTo("412 {\"error\":\"nothing was recorded: ben reviewed it as ignore at " + ServerFixture.NOW
                        + " (version 2), and 1 more have other versions\"}");
    }

    @Test
    void withdrawal_makesTheCertificateWaitAgain_andIsAnEvent() throws Exception {
        String id = rejected(1);
        String ids = "{\"ids\":[\"" + id + "\"],\"author\":\"anna\",\"verdict\":";
        put(ids + "\"unclear\"}");
        assertThat(send("GET", "/v1/reviews", "").body()).isEmpty();

        HttpResponse<String> withdrawn = send("PUT", "/v1/reviews", ids + "\"withdrawn\"}", "If-Match", "\"1\"");
        assertThat(withdrawn.body()).isEqualTo("{\"withdrawn\":1," + AT + "}");
        assertThat(withdrawn.headers().firstValue("ETag")).contains("\"2\"");
        assertThat(send("GET", "/v1/reviews", "").body()).contains(id);
        assertThat(send("GET", "/v1/reviews?state=reviewed", "").body()).isEmpty();
        assertThat(send("GET", "/v1/outcomes/changes", "").body().lines().skip(1))
                .satisfiesExactly(
                        first -> assertThat(first).contains("\"version\":1,\"verdict\":\"unclear\""),
                        second -> assertThat(second)
                                .contains("\"version\":2,\"verdict\":\"withdrawn\"", "\"author\":\"anna\""));
        assertThat(send("GET", "/ui/certificate?id=" + id, "").body()).contains("<strong>withdrawn</strong>");

        assertThat(put(ids + "\"withdrawn\"}")).isEqualTo("404 {\"error\":\"no such certificate has a review\"}");
        assertThat(put(ids + "\"withdrawn\"}", "If-Match", "\"1\""))
                .startsWith("412 ")
                .contains("anna withdrew its review at " + ServerFixture.NOW + " (version 2)");
        assertThat(put(ids + "\"withdrawn\"}", "If-None-Match", "*"))
                .isEqualTo("400 {\"error\":\"only a review can be withdrawn; leave out If-None-Match\"}");
        assertThat(put(ids + "\"fault\"}", "If-None-Match", "*")).startsWith("200 ");
    }

    @Test
    void withdrawal_ofAGroup_namesTheTimeOfItsReviews() throws Exception {
        rejected(1);
        rejected(2);
        String group = "{\"shard\":\"pump <7>\",\"reason\":\"D_hat out of tolerance\",\"until\":\"" + ServerFixture.NOW
                + "\",\"verdict\":";
        put(group + "\"ignore\"}");

        assertThat(put(group + "\"withdrawn\"}")).contains("give reviewed_at to withdraw");
        assertThat(put(group + "\"ignore\",\"reviewed_at\":\"" + ServerFixture.NOW + "\"}"))
                .contains("give reviewed_at to withdraw");
        assertThat(put(group + "\"withdrawn\",\"reviewed_at\":\"2026-01-01T00:00:00Z\"}"))
                .isEqualTo("404 {\"error\":\"no such certificate has a review\"}");
        assertThat(put(group + "\"withdrawn\",\"reviewed_at\":\"" + ServerFixture.NOW + "\"}"))
                .isEqualTo("200 {\"withdrawn\":2," + AT + "}");
        assertThat(send("GET", "/v1/reviews", "").body().lines()).hasSize(2);
    }

    @Test
    void command_withdraws() throws Exception {
        String id = rejected(1);
        review(Map.of(), 0, "set", id, "--verdict", "unclear");
        String[] group = {
            "withdraw",
            "--shard",
            "pump <7>",
            "--reason",
            "D_hat out of tolerance",
            "--until",
            ServerFixture.NOW.toString()
        };

        assertThat(review(Map.of(), 0, "withdraw", id.substring(0, 12), "--note", "the other pump"))
                .isEqualTo("1 review withdrawn\n");
        assertThat(review(Map.of(), 0, "list")).contains(id.substring(0, 12));
        assertThat(review(Map.of(), 1, "withdraw", id)).contains("no such certificate has a review");
        assertThat(review(Map.of(), 2, group)).contains("--at: needed for a group, and only there");
        review(Map.of(), 0, "set", id, "--verdict", "fault");
        String[] timed = Stream.concat(Stream.of(group), Stream.of("--at", ServerFixture.NOW.toString()))
                .toArray(String[]::new);
        assertThat(review(Map.of(), 0, timed)).isEqualTo("1 review withdrawn\n");
    }

    @Test
    void command_leavesOutCertificatesWithoutAReview() throws Exception {
        String reviewed = rejected(1);
        String waiting = rejected(2);
        review(Map.of(), 0, "set", reviewed, "--verdict", "fault");

        assertThat(review(Map.of(), 0, "set", reviewed, waiting, "--verdict", "ignore", "--if-version", "1"))
                .isEqualTo(
                        "1 certificate reviewed, 1 left out, which have another review or none:\n  " + waiting + "\n");
        assertThat(review(Map.of(), 0, "withdraw", reviewed, waiting))
                .isEqualTo("1 review withdrawn, 1 left out, which have another review or none:\n  " + waiting + "\n");
    }

    @Test
    void put_invalidCondition_isRefused() throws Exception {
        String body = "{\"ids\":[\"" + rejected(1) + "\"],\"verdict\":\"fault\"}";

        assertThat(put(body, "If-Match", "1")).startsWith("400 {\"error\":\"give If-Match with one version in quotes");
        assertThat(put(body, "If-Match", "\"1\"", "If-None-Match", "*")).startsWith("400 ");
        assertThat(put(
                        "{\"shard\":\"a\",\"reason\":\"b\",\"until\":\"2026-01-09T10:30:45Z\",\"verdict\":\"fault\"}",
                        "If-None-Match",
                        "*"))
                .isEqualTo("400 {\"error\":\"If-Match and If-None-Match are for ids, not for a group\"}");
    }

    @Test
    void beginningOfAnId_isAcceptedWhereAnIdIs() throws Exception {
        String id = rejected(1);
        String printed = id.substring(0, 12);

        assertThat(review(Map.of(), 0, "list")).contains(printed);
        assertThat(send("GET", "/v1/outcomes?id=" + printed, "").body()).contains(id);
        assertThat(send("GET", "/ui/certificate?id=" + printed, "").headers().firstValue("Location"))
                .contains("/ui/certificate?id=" + id);
        assertThat(send("GET", "/ui/certificate?id=" + printed + "0", "").statusCode())
                .isEqualTo(404);
        assertThat(send("GET", "/ui/certificate?id=1234567", "").body()).contains("id is not 8 to 64");
        assertThat(review(Map.of(), 0, "set", printed, "--verdict", "fault", "--if-version", "0", "--author", "anna"))
                .isEqualTo("1 certificate reviewed\n");
        assertThat(review(Map.of(), 1, "set", printed, "--verdict", "ignore", "--if-version", "0"))
                .contains("the backend answered 412: nothing was recorded: anna reviewed it as fault at "
                        + ServerFixture.NOW);
        assertThat(review(Map.of(), 2, "set", printed, "--verdict", "ignore", "--if-version", "-1"))
                .contains("--if-version: a number from 0, for ids");
    }

    /**
     * Adds more certificates than a group review writes in one commit, and reviews the oldest in its first commit.
     *
     * @return the id of the oldest
     */
    private String reviewedMeanwhile(int firstEpoch) {
        String oldest = "";
        for (int epoch = firstEpoch; epoch < firstEpoch + 201; epoch++) {
            oldest = rejected(epoch);
        }
        StateKey key = RecordedOutcomes.key(Reviews.NAMESPACE, "pump <7>", firstEpoch + 200, oldest);
        Operation decision = record.engine()
                .write(
                        key,
                        Json.line(new Review(Review.Verdict.FAULT, "", "anna", ServerFixture.NOW.toString())),
                        Operation.ANY_VERSION);
        record.beforeNextCommit(() -> record.engine().apply("test", List.of(decision), ""));
        return oldest;
    }

    @Test
    void group_reviewedByOthersMeanwhile_isReported() throws Exception {
        String until = ServerFixture.NOW.toString();
        String group = "{\"shard\":\"pump <7>\",\"reason\":\"D_hat out of tolerance\",\"until\":\"" + until
                + "\",\"verdict\":\"ignore\"}";
        String first = reviewedMeanwhile(1_000);
        assertThat(put(group))
                .isEqualTo("200 {\"reviewed\":200," + AT + ",\"left_out\":1,\"left_out_ids\":[\"" + first + "\"]}");

        String second = reviewedMeanwhile(2_000);
        assertThat(review(
                        Map.of(),
                        0,
                        "set",
                        "--verdict",
                        "ignore",
                        "--shard",
                        "pump <7>",
                        "--reason",
                        "D_hat out of tolerance",
                        "--until",
                        until))
                .isEqualTo(
                        "200 certificates reviewed, 1 left out, which others reviewed meanwhile:\n  " + second + "\n");

        reviewedMeanwhile(3_000);
        String page = send("GET", "/ui/review", "").body();
        HttpResponse<String> answer = send(
                "POST",
                "/ui/review",
                "token=" + field(page, "token") + "&shard=pump%20%3C7%3E&reason=D_hat%20out%20of%20tolerance&until="
                        + until + "&verdict=ignore");
        String target = answer.headers().firstValue("Location").orElseThrow();
        assertThat(send("GET", target, "").body())
                .contains("200 certificates were reviewed as ignore. 1 left out, which others reviewed meanwhile.");
    }

    @Test
    void reviews_stateIsOff_areUnknown() throws Exception {
        String id = rejected(1);
        server.reviews = null;
        String unknown = "404 {\"error\":\"reviews unknown: this backend has no state because STATE_PORT is off\"}";

        assertThat(send("GET", "/v1/outcomes", "").body()).contains(id);
        HttpResponse<String> waiting = send("GET", "/v1/reviews", "");
        assertThat(waiting.statusCode() + " " + waiting.body()).isEqualTo(unknown);
        assertThat(put("{\"ids\":[\"" + id + "\"],\"verdict\":\"fault\"}")).isEqualTo(unknown);
        assertThat(send("GET", "/ui/review", "").body())
                .contains("Reviews unknown: this backend has no state", "STATE_PORT is off")
                .doesNotContain("No certificate waits for a review");
        assertThat(send("GET", "/ui/certificate?id=" + id, "").body())
                .contains("rejected", "Reviews unknown: this backend is still starting, or STATE_PORT is off.")
                .doesNotContain("Nobody has reviewed this certificate", "Save the review");
        assertThat(server.sample("flk_review_waiting")).isEqualTo("NaN");
        assertThat(server.sample("flk_review_overdue")).isEqualTo("NaN");

        server.record = null;
        assertThat(send("GET", "/v1/reviews", "").body()).contains("keeps no record of outcomes");
        assertThat(send("GET", "/ui/review", "").body()).contains("This backend has no record of outcomes.");
    }

    @Test
    void reviews_stateFails_areUnknown() throws Exception {
        String id = rejected(1);
        StateEngine failed = MemoryEngine.started();
        failed.close();
        server.reviews = reviews(failed);

        HttpResponse<String> waiting = send("GET", "/v1/reviews", "");
        assertThat(waiting.statusCode() + " " + waiting.body())
                .isEqualTo("503 {\"error\":\"reviews unknown: the state is down\"}");
        assertThat(waiting.headers().firstValue("Retry-After")).contains("1");
        assertThat(put("{\"ids\":[\"" + id + "\"],\"verdict\":\"fault\"}"))
                .isEqualTo("503 {\"error\":\"reviews unknown: the state is down\"}");
        HttpResponse<String> view = send("GET", "/ui/review", "");
        assertThat(view.statusCode()).isEqualTo(503);
        assertThat(view.body()).contains("Reviews unknown: the state, which has the reviews, can't be read now");
        HttpResponse<String> certificate = send("GET", "/ui/certificate?id=" + id, "");
        assertThat(certificate.statusCode()).isEqualTo(200);
        assertThat(certificate.body())
                .contains("rejected", "Reviews unknown: the state can")
                .doesNotContain("Nobody has reviewed this certificate", "Save the review");
    }

    @Test
    void reviews_whileTheyAreRead_areUnknown() throws Exception {
        rejected(1);
        CountDownLatch begun = new CountDownLatch(1);
        CompletableFuture<Void> end = new CompletableFuture<>();
        server.record = new RecordedOutcomes(
                record.rows(),
                true,
                () -> {
                    begun.countDown();
                    end.join();
                    return Optional.empty();
                },
                () -> false);
        server.reviews = new Reviews(
                server.record,
                record.engine(),
                Duration.ofDays(1),
                Duration.ofDays(90),
                () -> ServerFixture.NOW,
                metrics);
        CompletableFuture<AllWaiting> first = CompletableFuture.supplyAsync(() -> server.reviews.waiting(null));
        begun.await();

        HttpResponse<String> waiting = send("GET", "/v1/reviews", "");
        HttpResponse<String> view = send("GET", "/ui/review", "");

        assertThat(waiting.statusCode() + " " + waiting.body())
                .isEqualTo("503 {\"error\":\"reviews unknown: they are being read; try again in a minute\"}");
        assertThat(waiting.headers().firstValue("Retry-After")).contains("1");
        assertThat(view.statusCode()).isEqualTo(503);
        assertThat(view.body()).contains("Reviews unknown: they are being read; try again in a minute.");
        end.complete(null);
        assertThat(first.join().outcomes()).hasSize(1);
        assertThat(send("GET", "/ui/review", "").body()).contains("1 certificate waits for a review.");
    }

    @Test
    void reviews_stateStarts_areUnknown() throws Exception {
        StateEngine starting = MemoryEngine.notStarted(() -> ServerFixture.NOW);
        try {
            rejected(1);
            server.reviews = reviews(starting);

            assertThat(send("GET", "/v1/reviews", "").body())
                    .startsWith("{\"error\":\"reviews unknown: the state engine is starting");
        } finally {
            starting.close();
        }
    }

    /** Checks that a certificate is not called unknown while the record is read from the log again. */
    @Test
    void put_recordIsBehind_is503_thenTheCertificateIsReviewed() throws Exception {
        AtomicBoolean isBehind = new AtomicBoolean(true);
        server.record = new RecordedOutcomes(record.rows(), true, Optional::empty, isBehind::get);
        String id = "0123456789abcdef".repeat(4);
        String body = "{\"ids\":[\"" + id + "\"],\"verdict\":\"fault\"}";

        HttpResponse<String> answer = send("PUT", "/v1/reviews", body);
        assertThat(answer.statusCode()).isEqualTo(503);
        assertThat(answer.body()).contains("the record of outcomes is still being read from the log");
        assertThat(answer.headers().firstValue("Retry-After")).contains("1");
        for (String path : List.of("/v1/pcs/01234567", "/v1/shards/pump/outcomes")) {
            assertThat(send("GET", path, "").statusCode()).isEqualTo(503);
        }

        record.add("pump", 1, "rejected", REASON, ServerFixture.NOW, id);
        isBehind.set(false);
        assertThat(put(body)).startsWith("200 ");
        assertThat(put("{\"ids\":[\"fedcba98\"],\"verdict\":\"fault\"}")).startsWith("404 ");
    }

    @Test
    void put_invalidBody_namesTheProblem() throws Exception {
        String id = rejected(1);
        String accepted = record.add("pump <7>", 9, "accepted", "", ServerFixture.NOW);

        assertThat(put("{")).isEqualTo("400 {\"error\":\"the body is not JSON\"}");
        assertThat(put("null")).isEqualTo("400 {\"error\":\"the body is not a review: it is null\"}");
        assertThat(put("{\"ids\":[null],\"verdict\":\"fault\"}")).contains("each of 8 to 64 lower-case hex digits");
        assertThat(put("{\"ids\":3}"))
                .isEqualTo("400 {\"error\":\"the body is not a review: a member has a wrong type\"}");
        assertThat(put("{\"id\":\"" + id + "\"}")).startsWith("400 ").contains("unknown member, id; the members are");
        assertThat(put("{\"ids\":[\"" + id + "\"]}"))
                .contains("verdict is not one of expected, fault, ignore, unclear");
        assertThat(put("{\"ids\":[\"x\"],\"verdict\":\"fault\"}")).contains("each of 8 to 64 lower-case hex digits");
        assertThat(put("{\"shard\":\"a\",\"verdict\":\"fault\"}"))
                .contains("give either ids, or shard, reason and until");
        assertThat(put("{\"shard\":\"a\",\"reason\":\"b\",\"until\":\"now\",\"verdict\":\"fault\"}"))
                .contains("from or until is not a time");
        assertThat(put("{\"ids\":[\"" + accepted + "\"],\"verdict\":\"fault\"}"))
                .startsWith("400 ")
                .contains("was accepted, so there is nothing to review");
        assertThat(put("{\"shard\":\"a\",\"reason\":\"b\",\"until\":\"2026-01-09T10:30:45Z\",\"verdict\":\"fault\"}"))
                .isEqualTo("404 {\"error\":\"no such certificate waits for a review\"}");
    }

    @Test
    void put_fromAPageOfAnotherSite_isRefused() throws Exception {
        String body = "{\"ids\":[\"" + rejected(1) + "\"],\"verdict\":\"ignore\"}";

        assertThat(put(body, "Sec-Fetch-Site", "cross-site")).startsWith("403 ");
        assertThat(put(body, "Sec-Fetch-Site", "same-site")).startsWith("403 ");
        assertThat(put(body, "Origin", "http://evil.example")).startsWith("403 ");
        assertThat(server.connect()
                        .send("PUT /v1/reviews HTTP/1.1\nHost: rebound.example\nContent-Length: " + body.length()
                                + "\n\n" + body)
                        .read()
                        .status())
                .isEqualTo(403);
        assertThat(put(body, "Sec-Fetch-Site", "same-origin", "Origin", "http://127.0.0.1:" + server.port()))
                .startsWith("200 ");
    }

    @Test
    void login_isRequired_andIsTheAuthor() throws Exception {
        server.login(new Login("operator", new Secret("secret")));
        String body = "{\"ids\":[\"" + rejected(1) + "\"],\"verdict\":\"ignore\"}";

        assertThat(put(body)).startsWith("401 ");
        assertThat(send("GET", "/v1/reviews", "").statusCode()).isEqualTo(401);
        assertThat(put(body, "Authorization", "Basic b3BlcmF0b3I6c2VjcmV0")).startsWith("200 ");
        assertThat(record.engine().reads().values(Reviews.NAMESPACE, "", null))
                .singleElement()
                .satisfies(each -> assertThat(each.version().json()).contains("\"author\":\"operator\""));
    }

    @Test
    void command_listsAndReviews_withTheLogin() throws Exception {
        server.login(new Login("operator", new Secret("secret of operators")));
        String first = rejected(1);
        String second = rejected(2);
        Map<String, String> login = Map.of("METRICS_USER", "operator", "METRICS_PASS", "secret of operators");

        assertThat(review(login, 0, "list"))
                .contains("pump <7>", REASON, first.substring(0, 12), second.substring(0, 12));
        assertThat(review(login, 0, "set", first, "--verdict", "fault", "--note", "worn"))
                .isEqualTo("1 certificate reviewed\n");
        assertThat(review(login, 0, "list", "--reviewed"))
                .contains(first.substring(0, 12), "fault", "operator", "worn")
                .doesNotContain(second.substring(0, 12));
        assertThat(review(
                        login,
                        0,
                        "set",
                        "--verdict",
                        "ignore",
                        "--shard",
                        "pump <7>",
                        "--reason",
                        "D_hat out of tolerance",
                        "--until",
                        ServerFixture.NOW.toString(),
                        "--json"))
                .isEqualTo("{\"reviewed\":1," + AT + "}\n");
        assertThat(review(login, 0, "list")).isEqualTo("no certificate waits for a review\n");
        assertThat(review(login, 1, "set", "x", "--verdict", "fault"))
                .startsWith("flk-backend: the backend answered 400: ids is not a list of 1 to ");
        assertThat(review(Map.of(), 1, "list"))
                .contains("the backend asks for the operators' login; run this with its METRICS_USER and METRICS_PASS");
    }

    /** Runs {@code flk-backend review} and returns its output. */
    private String review(Map<String, String> environment, int exitCode, String... args) throws IOException {
        StringWriter printed = new StringWriter();
        PrintWriter out = new PrintWriter(printed);
        List<String> command = new ArrayList<>(List.of("review"));
        command.addAll(List.of(args));
        command.addAll(List.of("--url", "http://127.0.0.1:" + server.port()));

        int ended = new CommandLineProgram(environment, (config, again) -> {}, out, out)
                .run(command.toArray(String[]::new));

        assertThat(ended).as(printed.toString()).isEqualTo(exitCode);
        return printed.toString();
    }

    @Test
    void page_reviewsAGroup_andShowsTheReviewOfACertificate() throws Exception {
        String id = rejected(1);
        rejected(2);
        String page = send("GET", "/ui/review", "").body();
        assertThat(page).contains("2 certificates wait for a review.", "pump &lt;7", "Review all 2");
        String form = "token=" + field(page, "token") + "&shard=pump%20%3C7%3E&reason="
                + URLEncoder.encode(field(page, "reason"), StandardCharsets.UTF_8) + "&until=" + field(page, "until")
                + "&verdict=expected&note=%3Cb%3E&author=";

        HttpResponse<String> answer = send("POST", "/ui/review", form);

        assertThat(answer.statusCode()).isEqualTo(303);
        String target = answer.headers().firstValue("Location").orElseThrow();
        assertThat(send("GET", target, "").body())
                .contains("2 certificates were reviewed as expected.", "No certificate waits for a review.");
        assertThat(send("GET", "/ui/certificate?id=" + id, "").body())
                .contains("<strong>expected</strong>: &lt;b", "– local, ")
                .doesNotContain("<b>");
    }

    @Test
    void page_formOfAnotherVersion_isRefused_andSaysWhoWasFirst() throws Exception {
        String id = rejected(1);
        String page = send("GET", "/ui/certificate?id=" + id, "").body();
        put("{\"ids\":[\"" + id + "\"],\"verdict\":\"fault\",\"author\":\"anna\"}");

        String form = "token=" + field(page, "token") + "&id=" + id + "&verdict=ignore&version=";
        HttpResponse<String> refused = send("POST", "/ui/review", form + field(page, "version"));
        assertThat(refused.statusCode()).isEqualTo(412);
        assertThat(refused.body()).contains("anna reviewed it as fault at " + ServerFixture.NOW);
        String again = send("GET", "/ui/certificate?id=" + id, "").body();
        assertThat(send("POST", "/ui/review", form + field(again, "version")).statusCode())
                .isEqualTo(303);
        assertThat(send("POST", "/ui/review", form + "x").statusCode()).isEqualTo(400);
    }

    @Test
    void page_formWithoutTheToken_isRefused() throws Exception {
        String form = "&id=" + rejected(1) + "&verdict=expected&note=&author=";

        assertThat(send("POST", "/ui/review", "token=guess" + form).statusCode())
                .isEqualTo(403);
        assertThat(send("POST", "/ui/review", form.substring(1)).statusCode()).isEqualTo(403);
        String token = field(send("GET", "/ui/review", "").body(), "token");
        assertThat(send("POST", "/ui/review", "token=" + token + form, "Sec-Fetch-Site", "cross-site")
                        .statusCode())
                .isEqualTo(403);
        assertThat(send("POST", "/ui/review", "token=" + token + form.replace("expected", ""))
                        .body())
                .contains("verdict is not one of");
        assertThat(send("POST", "/ui/review", "token=" + token + form).statusCode())
                .isEqualTo(303);
    }

    /** Sends a form of a page, with the page's secret. */
    private HttpResponse<String> post(String page, String fields) throws IOException, InterruptedException {
        return send("POST", "/ui/review", "token=" + field(page, "token") + "&" + fields);
    }

    /** Sends a form and follows its redirect to the next page. */
    private String sent(String page, String fields) throws IOException, InterruptedException {
        HttpResponse<String> answer = post(page, fields);
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(303);
        return send("GET", answer.headers().firstValue("Location").orElseThrow(), "")
                .body();
    }

    /** Returns the hidden fields of the form that takes the last reviews back. */
    private static String undo(String page) {
        int begin = page.indexOf("class=\"undo\"");
        assertThat(begin).as(page).isPositive();
        StringBuilder fields = new StringBuilder("verdict=withdrawn");
        Matcher field = Pattern.compile("type=\"hidden\" name=\"([a-z_]+)\" value=\"([^\"]*)\"")
                .matcher(page.substring(begin, page.indexOf("</form>", begin)));
        while (field.find()) {
            if (!field.group(1).equals("token")) {
                fields.append('&')
                        .append(field.group(1))
                        .append('=')
                        .append(URLEncoder.encode(field.group(2).replace("&lt;", "<"), StandardCharsets.UTF_8));
            }
        }
        return fields.toString();
    }

    @Test
    void page_review_leadsToTheNextCertificate_andCanBeUndone() throws Exception {
        String first = rejected(1);
        String second = rejected(2);
        String page = send("GET", "/ui/review", "").body();
        assertThat(page).contains("1 of 2", "rel=\"next\"").doesNotContain("rel=\"prev\"");

        page = sent(page, "id=" + first + "&version=0&verdict=fault&note=worn&author=anna");

        assertThat(page)
                .contains(
                        "1 certificate was reviewed as fault.",
                        "1 certificate waits for a review.",
                        "name=\"id\" value=\"" + second,
                        "Last reviews for this reason",
                        "worn – anna");
        String undo = undo(page);
        page = sent(page, undo);
        assertThat(page).contains("1 review was withdrawn.", "2 certificates wait for a review.");
        assertThat(field(page, "id")).isEqualTo(first);
        assertThat(field(page, "version")).isEqualTo("2");

        HttpResponse<String> again = post(page, undo);
        assertThat(again.statusCode()).isEqualTo(412);
        assertThat(again.body())
                .contains("Nothing was withdrawn: the review is not the one that was shown: anna withdrew its review");
    }

    @Test
    void page_undo_isOfTheReviewJustMade_notOfAnotherAtTheSameTime() throws Exception {
        String page = "";
        for (int i = 1; i <= 4; i++) {
            String id = rejected(i);
            page = sent(
                    send("GET", "/ui/review?id=" + id, "").body(), "id=" + id + "&version=0&verdict=fault&author=anna");
            assertThat(undo(page)).contains("&id=" + id);
        }
    }

    @Test
    void page_undoOfAGroup_saysWhatWasLeftOut() throws Exception {
        String first = rejected(1);
        rejected(2);
        rejected(3);
        String page = send("GET", "/ui/review", "").body();
        page = sent(
                page,
                "shard=pump%20%3C7%3E&reason=" + URLEncoder.encode("D_hat out of tolerance", StandardCharsets.UTF_8)
                        + "&until=" + ServerFixture.NOW + "&verdict=ignore&author=anna");
        assertThat(page).contains("3 certificates were reviewed as ignore.");
        put("{\"ids\":[\"" + first + "\"],\"verdict\":\"withdrawn\"}");

        page = sent(page, undo(page));

        assertThat(page)
                .contains(
                        "2 reviews were withdrawn. 1 left out, which others changed or withdrew meanwhile.",
                        "3 certificates wait for a review.");
    }

    @Test
    void page_formOfAGroup_ofAnotherNumber_isRefused_andShowsTheGroupAgain() throws Exception {
        rejected(1);
        rejected(3);
        String page = send("GET", "/ui/review", "").body();
        String form = "shard=pump%20%3C7%3E&reason=D_hat%20out%20of%20tolerance&note=worn&author=anna&verdict=";
        String range = "&from=" + field(page, "from") + "&until=" + field(page, "until") + "&count=";
        assertThat(field(page, "count")).isEqualTo("2");
        String late = rejected(2); // enters the record later than the others, and arrived between them

        HttpResponse<String> refused = post(page, form + "ignore" + range + "2");

        assertThat(refused.statusCode()).isEqualTo(412);
        assertThat(refused.body())
                .contains(
                        "Nothing was reviewed: the number of certificates that wait in the group is now 3, not 2 as the"
                                + " page showed.",
                        "which has 3 certificates",
                        late,
                        "name=\"note\" value=\"worn\"")
                .doesNotContain("class=\"decide\"", "aria-keyshortcuts=\"f\"");
        assertThat(field(refused.body(), "count")).isEqualTo("3");
        assertThat(sent(refused.body(), form + "ignore" + range + "3"))
                .contains("3 certificates were reviewed as ignore.");
    }

    @Test
    void page_undoOfAReviewThatReplacedAnother_saysThatItNoLongerApplies() throws Exception {
        String id = rejected(1);
        put("{\"ids\":[\"" + id + "\"],\"verdict\":\"fault\",\"author\":\"anna\"}");
        String page = send("GET", "/ui/review?id=" + id, "").body();
        page = sent(page, "id=" + id + "&version=1&verdict=ignore&author=ben");

        page = sent(page, undo(page));

        assertThat(page)
                .contains("1 review was withdrawn. The review before it, fault by anna, does not return:"
                        + " the certificate waits again.");
        page = sent(page, "id=" + id + "&version=3&verdict=ignore&author=ben");
        assertThat(sent(page, undo(page))).doesNotContain("The review before it");
    }

    @Test
    void page_done_namesTheNoteThatWasSent() throws Exception {
        String id = rejected(1);
        rejected(2);
        String page = send("GET", "/ui/review", "").body();
        page = sent(page, "id=" + id + "&version=0&verdict=fault&author=anna");
        assertThat(page).contains("data-seconds=\"60\" data-note=\"" + id + "\"");
        page = sent(page, undo(page));
        assertThat(page).contains("data-seconds=\"0\" data-note=\"" + id + "\"");
        page = sent(
                page,
                "shard=pump%20%3C7%3E&reason=D_hat%20out%20of%20tolerance&until=" + ServerFixture.NOW
                        + "&count=2&verdict=ignore&author=anna");
        assertThat(page).contains("data-seconds=\"60\" data-note=\"pump &lt;7> D_hat out of tolerance\"");
        assertThat(sent(page, undo(page)))
                .contains("data-seconds=\"0\" data-note=\"pump &lt;7> D_hat out of tolerance\"");
    }

    @Test
    void page_undo_isOfferedForAMinute() throws Exception {
        rejected(1);
        String page = send("GET", "/ui/review", "").body();
        HttpResponse<String> answer = post(page, "id=" + field(page, "id") + "&version=0&verdict=ignore&author=anna");
        String target = answer.headers().firstValue("Location").orElseThrow();
        assertThat(send("GET", target, "").body()).contains("class=\"undo\"");

        server.now = ServerFixture.NOW.plusSeconds(61);

        assertThat(send("GET", target, "").body())
                .contains("1 certificate was reviewed as ignore.")
                .doesNotContain("class=\"undo\"");
    }

    @Test
    void page_formThatHasNoEffect_keepsTheNote_andShowsWhoWasFirst() throws Exception {
        String id = rejected(1);
        String page = send("GET", "/ui/review?id=" + id.substring(0, 8), "").body();
        put("{\"ids\":[\"" + id + "\"],\"verdict\":\"fault\",\"author\":\"anna\"}");

        HttpResponse<String> refused = post(page, "id=" + id + "&version=0&verdict=ignore&note=%3Cnoise%3E&author=ben");

        assertThat(refused.statusCode()).isEqualTo(412);
        assertThat(refused.body())
                .contains(
                        "Nothing was reviewed: the review is not the one that was shown: anna reviewed it as fault at "
                                + ServerFixture.NOW + " (version 1).",
                        "name=\"note\" value=\"&lt;noise",
                        "name=\"author\" value=\"ben\"");
        assertThat(field(refused.body(), "version")).isEqualTo("1");
        assertThat(post(page, "id=" + id + "&version=0&verdict=&note=kept").body())
                .contains("Nothing was reviewed: verdict is not one of", "value=\"kept\"");
    }

    @Test
    void page_stateFails_nothingIsReviewed_andTheNoteIsKept() throws Exception {
        String id = rejected(1);
        String page = send("GET", "/ui/review", "").body();
        StateEngine failed = MemoryEngine.started();
        failed.close();
        server.reviews = reviews(failed);

        HttpResponse<String> answer = post(page, "id=" + id + "&version=0&verdict=fault&note=worn&author=anna");

        assertThat(answer.statusCode()).isEqualTo(503);
        assertThat(answer.body())
                .contains(
                        "Nothing was reviewed: the state, which has the reviews, can",
                        "name=\"note\" value=\"worn\"",
                        "name=\"author\" value=\"anna\"",
                        "D̂ is claimed as 1.4000");
        assertThat(send("GET", "/ui/review?id=" + id, "").body())
                .contains("Reviews unknown: the state, which has the reviews, can", "D̂ is claimed as 1.4000");
        server.reviews = reviews(record.engine());
        assertThat(sent(answer.body(), "id=" + id + "&version=0&verdict=fault&note=worn&author=anna"))
                .contains("1 certificate was reviewed as fault.");
    }

    @Test
    void page_reviewed_canBeFiltered() throws Exception {
        String first = rejected(1);
        String second = rejected(2);
        put("{\"ids\":[\"" + first + "\"],\"verdict\":\"fault\",\"note\":\"worn\",\"author\":\"anna\"}");
        put("{\"ids\":[\"" + second + "\"],\"verdict\":\"ignore\",\"author\":\"ben\"}");

        assertThat(send("GET", "/ui/review?show=reviewed", "").body())
                .contains("Reviews 1 to 2 of 2", first, second, "worn", "anna", "D_hat out of tolerance");
        assertThat(send("GET", "/ui/review?show=reviewed&verdict=fault&author=anna&shard=pump%20%3C7%3E", "")
                        .body())
                .contains("Reviews 1 to 1 of 1", first)
                .doesNotContain(second);
        assertThat(send("GET", "/ui/review?show=reviewed&verdict=unclear", "").body())
                .contains("None of the 2 reviews matches.");
        assertThat(send("GET", "/ui/review?show=reviewed&page=-1", "").statusCode())
                .isEqualTo(400);
    }

    @Test
    void page_linkToACertificate_showsIt_whetherItWaitsOrNot() throws Exception {
        String id = rejected(1);
        rejected(2);
        String accepted = record.add("pump <7>", 9, "accepted", "", ServerFixture.NOW);

        assertThat(send("GET", "/ui/review?id=" + id, "").body()).contains("1 of 2", "value=\"" + id);
        put("{\"ids\":[\"" + id + "\"],\"verdict\":\"fault\",\"author\":\"anna\"}");
        assertThat(send("GET", "/ui/review?id=" + id, "").body())
                .contains("<strong>fault</strong> – anna", "value=\"" + id)
                .doesNotContain("1 of 2");
        assertThat(send("GET", "/ui/review?id=" + accepted, "").body())
                .contains("This certificate was accepted.")
                .doesNotContain("class=\"decide\"");
        assertThat(send("GET", "/ui/review?shard=b&reason=x", "").body())
                .contains("No certificate of shard b waits for a review for the reason “x”.");
        assertThat(send("GET", "/ui/review?id=01234567", "").statusCode()).isEqualTo(404);
        assertThat(send("GET", "/ui/review?id=0123", "").statusCode()).isEqualTo(400);
    }

    private static String field(String page, String name) {
        Matcher field =
                Pattern.compile("name=\"" + name + "\" value=\"([^\"]*)\"").matcher(page);
        assertThat(field.find()).as(name).isTrue();
        return field.group(1);
    }
}
