// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.outcomes.record.MemoryRecord;
import dev.flk.http.testing.RawClient;
import dev.flk.program.metrics.Metrics;
import java.io.IOException;
import java.net.URLEncoder;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
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

    private final MemoryRecord record = new MemoryRecord();

    @BeforeEach
    void start() {
        server.record = record.outcomes();
        server.reviews = record.reviews(server.metrics, ServerFixture.NOW);
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
        return server.send(method, target, body, headers);
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
        assertThat(send("GET", "/v1/reviews?state=reviewed", "").body())
                .isEqualTo("{\"shard_id\":\"pump <7>\",\"pcs_id\":\"" + first
                        + "\",\"version\":1,\"verdict\":\"fault\",\"note\":\"worn\",\"author\":\"anna\"," + AT
                        + "}\n");
        put("{\"ids\":[\"" + second + "\"],\"verdict\":\"fault\"}");
        HttpResponse<String> part = send("GET", "/v1/reviews?state=reviewed&limit=1", "");
        String cursor = part.headers().firstValue("X-Flk-Cursor").orElseThrow();
        HttpResponse<String> rest = send("GET", "/v1/reviews?state=reviewed&cursor=" + cursor, "");
        assertThat(part.body() + rest.body()).containsOnlyOnce(first).containsOnlyOnce(second);
        assertThat(rest.headers().firstValue("X-Flk-Cursor")).isEmpty();
        assertThat(send("GET", "/v1/reviews?state=reviewed&cursor=eA", "").statusCode())
                .isEqualTo(400);
        assertThat(send("GET", "/v1/reviews?state=reviewed&shard=a", "").body())
                .isEqualTo("{\"error\":\"shard can't be combined with state=reviewed; leave it out\"}");
        assertThat(send("GET", "/v1/reviews?cursor=eA", "").body())
                .isEqualTo("{\"error\":\"cursor can't be combined with state=waiting; leave it out\"}");
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

        String group = "{\"shard\":\"pump <7>\",\"reason\":\"D_hat out of tolerance\",\"until\":\"" + ServerFixture.NOW
                + "\",\"verdict\":";
        String at = ",\"reviewed_at\":\"" + ServerFixture.NOW + "\"}";
        assertThat(put(group + "\"withdrawn\"}")).contains("give reviewed_at to withdraw");
        assertThat(put(group + "\"ignore\"" + at)).contains("give reviewed_at to withdraw");
        assertThat(put(group + "\"withdrawn\"" + at.replace("-09T", "-08T")))
                .isEqualTo("404 {\"error\":\"no such certificate has a review\"}");
        assertThat(put(group + "\"withdrawn\"" + at)).isEqualTo("200 {\"withdrawn\":1," + AT + "}");
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
    void put_logOrRecordFails_is503_andSaysWhetherTheReviewMayTakeEffect() throws Exception {
        String ids = "{\"ids\":[\"" + rejected(1) + "\"],\"verdict\":\"fault\"}";
        String group = "{\"shard\":\"pump <7>\",\"reason\":\"D_hat out of tolerance\",\"until\":\"" + ServerFixture.NOW
                + "\",\"verdict\":\"fault\"}";
        record.problem = "the disk is full";

        HttpResponse<String> answer = send("PUT", "/v1/reviews", ids);
        assertThat(answer.statusCode() + " " + answer.body())
                .isEqualTo("503 {\"error\":\"nothing was recorded: the disk is full\"}");
        assertThat(answer.headers().firstValue("Retry-After")).contains("1");
        assertThat(put(group)).contains("nothing, or only a part of the group, was recorded: the disk is full");

        record.problem = null;
        record.holdReviews(true);
        assertThat(put(ids))
                .isEqualTo(
                        "503 {\"error\":\"the review may still take effect: the record does not have it yet; look at the"
                                + " certificate before you repeat it\"}");
        try (MemoryRecord down = MemoryRecord.unopened()) {
            server.reviews = down.reviews(new Metrics("down"), ServerFixture.NOW);
            assertThat(put(ids)).startsWith("503 {\"error\":\"nothing was recorded: the record can't be read now: ");
        }
    }

    @Test
    void put_waitsForTheLog_leavesMemoryToReaders() throws Exception {
        server.heap(64 << 20);
        String body = "{\"ids\":[\"" + rejected(1) + "\"],\"verdict\":\"fault\"}";
        CompletableFuture<Void> isWritten = new CompletableFuture<>();
        record.beforeNextAppend(isWritten::join);

        List<RawClient> reviewers = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            reviewers.add(server.connect()
                    .send("PUT /v1/reviews HTTP/1.1\nHost: h\nContent-Length: " + body.length() + "\n\n" + body));
        }
        assertThat(send("GET", "/v1/outcomes", "").statusCode()).isEqualTo(200);

        isWritten.complete(null);
        for (RawClient reviewer : reviewers) {
            assertThat(reviewer.read().status()).isEqualTo(200);
        }
    }

    @Test
    void put_largeGroup_isAnsweredAtOnce_andThePageShowsAndStopsIt() throws Exception {
        for (int i = 0; i < 600; i++) {
            rejected(i);
        }
        String group = "{\"shard\":\"pump <7>\",\"reason\":\"D_hat out of tolerance\",\"author\":\"anna\",\"until\":\""
                + ServerFixture.NOW + "\",\"verdict\":\"fault\"}";
        CompletableFuture<Void> isWritten = new CompletableFuture<>();
        record.beforeNextAppend(
                () -> isWritten.completeOnTimeout(null, 15, TimeUnit.SECONDS).join());

        HttpResponse<String> begun = send("PUT", "/v1/reviews", group);

        assertThat(begun.statusCode()).isEqualTo(202);
        String path = begun.headers().firstValue("Location").orElseThrow();
        String id = path.substring(path.lastIndexOf('/') + 1);
        String members = "\"shard_id\":\"pump <7>\",\"reason\":\"D_hat out of tolerance\",\"verdict\":\"fault\","
                + "\"author\":\"anna\"," + AT + ",\"total\":600,";
        assertThat(begun.body())
                .isEqualTo("{\"group\":\"" + id + "\",\"state\":\"waiting\"," + members
                        + "\"reviewed\":0,\"left_out\":0}");
        await().until(() -> send("GET", path, "").body().contains("\"state\":\"running\""));
        String page = send("GET", "/ui/review", "").body();
        assertThat(page).contains("0 of 600 certificates of the group", "are reviewed as fault (running)", "every 10s");
        assertThat(post(page, "stop=" + id).statusCode()).isEqualTo(303);
        isWritten.complete(null);

        await().until(() -> send("GET", path, "").body().contains("\"state\":\"stopped\""));
        assertThat(send("DELETE", path, "").body()).contains(members + "\"reviewed\":500,");
        assertThat(send("GET", "/ui/review", "").body())
                .contains("500 of 600 certificates", "(stopped)")
                .doesNotContain("hx-get", ">Stop<");
        assertThat(send("GET", "/v1/reviews/groups/x", "").statusCode()).isEqualTo(404);
    }

    /** Checks that a certificate is not called unknown while the record is read from the log again. */
    @Test
    void put_recordIsBehind_is503_thenTheCertificateIsReviewed() throws Exception {
        record.isBehind = true;
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
        record.isBehind = false;
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
    void page_formWithoutTheToken_isRefused() throws Exception {
        String form = "&id=" + rejected(1) + "&verdict=expected&note=&author=anna";

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
        assertThat(send("POST", "/ui/review", "token=" + token + form.replace("anna", ""))
                        .body())
                .contains("Nothing was reviewed: your name is missing; write it into the field “Your name”");
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
    void page_review_leadsToTheNextCertificate_andCanBeUndoneForAMinute() throws Exception {
        String first = rejected(1);
        String second = rejected(2);
        String page = send("GET", "/ui/review", "").body();
        assertThat(page).contains("1 of 2", "rel=\"next\"").doesNotContain("rel=\"prev\"");

        page = sent(page, "id=" + first + "&version=0&verdict=fault&note=worn&author=anna");

        assertThat(page)
                .contains(
                        "1 certificate was reviewed as fault.",
                        "1 certificate waits for a review.",
                        "data-seconds=\"60\" data-note=\"" + first + "\"",
                        "name=\"id\" value=\"" + second,
                        "Last reviews for this reason",
                        "worn – anna");
        String undo = undo(page);
        String other = undo(sent(page, "id=" + second + "&version=0&verdict=fault&note=worn&author=anna"));
        assertThat(other).as("the review just made, of two at the same time").contains("&id=" + second);
        page = sent(page, undo);
        assertThat(page)
                .contains(
                        "1 review was withdrawn.",
                        "1 certificate waits for a review.",
                        "data-seconds=\"0\" data-note=\"" + first + "\"");
        assertThat(field(page, "id")).isEqualTo(first);
        assertThat(field(page, "version")).isEqualTo("2");

        HttpResponse<String> again = post(page, undo);
        assertThat(again.statusCode()).isEqualTo(412);
        assertThat(again.body())
                .contains("Nothing was withdrawn: the review is not the one that was shown: anna withdrew its review");
        HttpResponse<String> last = post(page, "id=" + first + "&version=2&verdict=ignore&author=anna");
        server.now = ServerFixture.NOW.plusSeconds(61);
        assertThat(send("GET", last.headers().firstValue("Location").orElseThrow(), "")
                        .body())
                .contains("1 certificate was reviewed as ignore.")
                .doesNotContain("class=\"undo\"");
    }

    @Test
    void page_reviewOfAGroup_canBeUndone_andSaysWhatWasLeftOut() throws Exception {
        String first = rejected(1);
        rejected(2);
        rejected(3);
        String page = send("GET", "/ui/review", "").body();
        assertThat(page).contains("3 certificates wait for a review.", "pump &lt;7", "Review all 3");
        String form = "shard=pump%20%3C7%3E&reason=" + URLEncoder.encode(field(page, "reason"), StandardCharsets.UTF_8)
                + "&until=" + field(page, "until") + "&verdict=expected&note=%3Cb%3E&author=anna";

        page = sent(page, form);

        String note = " data-note=\"pump &lt;7> D_hat out of tolerance\"";
        assertThat(page)
                .contains(
                        "3 certificates were reviewed as expected.",
                        "data-seconds=\"60\"" + note,
                        "No certificate waits for a review.");
        assertThat(send("GET", "/ui/certificate?id=" + first, "").body())
                .contains("<strong>expected</strong>: &lt;b", "– anna, ")
                .doesNotContain("<b>");
        assertThat(send("GET", "/ui/review?done=2&left_out=1&reviewed_at=2026-01-01T00:00:00Z", "")
                        .body())
                .contains("2 certificates were reviewed. 1 left out, which others reviewed meanwhile.");
        put("{\"ids\":[\"" + first + "\"],\"verdict\":\"withdrawn\"}");

        assertThat(sent(page, undo(page)))
                .contains(
                        "2 reviews were withdrawn. 1 left out, which others changed or withdrew meanwhile.",
                        "data-seconds=\"0\"" + note,
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
    void page_formOfAnotherVersion_hasNoEffect_keepsTheNote_andShowsWhoWasFirst() throws Exception {
        String id = rejected(1);
        String page = send("GET", "/ui/certificate?id=" + id, "").body();
        put("{\"ids\":[\"" + id + "\"],\"verdict\":\"fault\",\"author\":\"anna\"}");
        String form = "id=" + id + "&note=%3Cnoise%3E&author=ben&verdict=";

        HttpResponse<String> refused = post(page, form + "ignore&version=" + field(page, "version"));

        assertThat(refused.statusCode()).isEqualTo(412);
        assertThat(refused.body())
                .contains(
                        "Nothing was reviewed: the review is not the one that was shown: anna reviewed it as fault at "
                                + ServerFixture.NOW + " (version 1).",
                        "name=\"note\" value=\"&lt;noise",
                        "name=\"author\" value=\"ben\"");
        assertThat(field(refused.body(), "version")).isEqualTo("1");
        assertThat(post(page, form + "&version=1").body())
                .contains("Nothing was reviewed: verdict is not one of", "value=\"&lt;noise");
        assertThat(post(page, form + "ignore&version=x").statusCode()).isEqualTo(400);
        assertThat(post(page, form + "ignore&version=1").statusCode()).isEqualTo(303);
    }

    @Test
    void page_logOrRecordFails_keepsTheNote_andSendingItAgainIsSafe() throws Exception {
        String id = rejected(1);
        String page = send("GET", "/ui/review", "").body();
        String form = "id=" + id + "&version=0&verdict=fault&note=worn&author=anna";
        record.problem = "the disk is full";
        HttpResponse<String> before = post(page, form);
        record.problem = null;
        record.holdReviews(true);
        HttpResponse<String> after = post(before.body(), form);
        record.holdReviews(false);

        assertThat(before.body()).contains("Nothing was recorded: the disk is full.", "D̂ is claimed as 1.4000");
        assertThat(after.body())
                .contains("The review may still take effect: the record does not have it yet; look at the certificate"
                        + " before you repeat it.");
        assertThat(post(after.body(), form).body()).contains("anna reviewed it as fault");
        try (MemoryRecord down = MemoryRecord.unopened()) {
            server.record = down.outcomes();
            server.reviews = down.reviews(new Metrics("down"), ServerFixture.NOW);
            HttpResponse<String> unread = post(page, form);
            assertThat(unread.body()).contains("Nothing was recorded: the record can");
            assertThat(send("GET", "/ui/review", "").statusCode()).isEqualTo(503);
            for (HttpResponse<String> failed : List.of(before, after, unread)) {
                assertThat(failed.statusCode()).isEqualTo(503);
                assertThat(failed.body()).contains("name=\"note\" value=\"worn\"", "name=\"author\" value=\"anna\"");
            }
        }
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

        String printed = "/ui/certificate?id=" + id.substring(0, 12);
        assertThat(send("GET", printed, "").headers().firstValue("Location")).contains("/ui/certificate?id=" + id);
        assertThat(send("GET", printed + "0", "").statusCode()).isEqualTo(404);
    }

    private static String field(String page, String name) {
        Matcher field =
                Pattern.compile("name=\"" + name + "\" value=\"([^\"]*)\"").matcher(page);
        assertThat(field.find()).as(name).isTrue();
        return field.group(1);
    }
}
