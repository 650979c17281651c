// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Bodies and requests that are meant to harm, at a backend with little memory. */
final class HostileInputIT {
    private static final int MANY_KEYS = 1_000_000;
    private static final String LITTLE_MEMORY = "-Xmx64m";

    @RegisterExtension
    static final RunningBackend backend = RunningBackend.with(Map.of(), LITTLE_MEMORY);

    /** Takes bodies that its memory is not made for. */
    @RegisterExtension
    static final RunningBackend overstrained = RunningBackend.with(Map.of("MAX_BODY_BYTES", "16MiB"), LITTLE_MEMORY);

    /** Takes the same bodies, with memory for them. */
    @RegisterExtension
    static final RunningBackend roomy = RunningBackend.with(Map.of("MAX_BODY_BYTES", "16MiB"), "-Xmx384m");

    private static final AtomicLong NEXT = new AtomicLong(1);

    @AfterEach
    void normalCertificates_areTakenAfterwards() throws Exception {
        for (RunningBackend each : List.of(backend, overstrained, roomy)) {
            assertThat(each.client().submit(next()).status()).isEqualTo(200);
        }
        assertThat(backend.process().program().allLines()).doesNotContain("Exception", "Error:");
    }

    private static Pcs next() {
        return Pcs.number(NEXT.getAndIncrement());
    }

    @ParameterizedTest
    @ValueSource(strings = {"[", "{\"a\":", "[{\"a\":"})
    void deepNesting_is400(String level) throws Exception {
        assertRefused(level.repeat(5_000), "malformed JSON: ");
        assertRefused(
                next().with("x", "1").json().replace("\"x\":1", "\"x\":" + level.repeat(5_000)),
                "malformed JSON: nested more than 32 deep");
    }

    @Test
    void deepNestingThatIsClosed_is400() throws Exception {
        assertRefused(
                next().with("x", BrokenCertificates.nested(5_000)).json(), "malformed JSON: nested more than 32 deep");
    }

    @Test
    void longString_whereAnythingMayStand_isTaken() throws Exception {
        Pcs pcs = next().with("x", "\"" + "é".repeat((1 << 19) - 500) + "\"");
        assertThat(backend.client().submit(pcs).status()).isEqualTo(200);
    }

    @ParameterizedTest
    @ValueSource(strings = {"schema", "version", "sent_at", "regime", "shard_id", "pcs_id", "merkle_root", "sig"})
    void longString_inAKnownField_isRefusedInAFewWords(String field) throws Exception {
        Pcs pcs = next().tampered(field, "\"" + "x".repeat((1 << 20) - 1_000) + "\"");
        Answer answer = backend.client().submit(pcs);
        assertThat(answer.status()).isIn(400, 401);
        assertThat(answer.error()).hasSizeLessThan(150);
    }

    @ParameterizedTest
    @ValueSource(strings = {"D_hat", "epoch", "seed", "scales", "v_star"})
    void numberOf300000Digits_whereNoneFits_is400(String field) throws Exception {
        assertRefused(next().tampered(field, "9".repeat(300_000)).json(), field + " must be ");
    }

    @Test
    void numberOf300000Digits_whereOneFits_isTaken() throws Exception {
        Pcs pcs = next().with("attempt", "9".repeat(300_000))
                .with("r", "0.8" + "0".repeat(300_000))
                .with("x", "-9." + "7".repeat(300_000) + "e-999999999");
        assertThat(backend.client().submit(pcs).status()).isEqualTo(200);
    }

    @Test
    void asManyKeysAsFit_areTaken() throws Exception {
        // the largest body there may be, of the shortest keys
        Pcs pcs = next().with("x", keys(121_000));
        assertThat(pcs.bytes().length).isBetween(1_000_000, 1 << 20);
        assertThat(backend.client().submit(pcs).status()).isEqualTo(200);
    }

    @Test
    void moreKeysThanABodyMayHave_inALineOfABatch_are413InTheirPlace() throws Exception {
        String line = "{\"N_j\":" + keys(800_000) + "}";
        List<String> answers = backend.client()
                .batch(line + "\n" + next().json())
                .body()
                .lines()
                .toList();
        assertThat(answers.get(0)).startsWith("{\"status\":413,");
        assertThat(answers.get(1)).startsWith("{\"status\":200,");
    }

    @Test
    void aMillionKeys_withMemoryForThem_areReadAsAnyOthers() throws Exception {
        String keys = keys(MANY_KEYS);
        assertThat(roomy.client().submit(next().with("x", keys)).status()).isEqualTo(200);
        assertThat(roomy.client().submit(next().with("N_j", keys)).error())
                .startsWith("N_j must have decimal keys without leading zero");
        assertThat(roomy.client().submit(keys.getBytes(StandardCharsets.UTF_8)).error())
                .isEqualTo("pcs_id is missing");
    }

    @Test
    void aMillionKeys_withoutMemoryForThem_areAnsweredAndCostNobodyElse() throws Exception {
        byte[] body = next().with("x", keys(MANY_KEYS)).bytes();
        for (int i = 0; i < 5; i++) {
            Answer answer = overstrained.client().submit(body);
            assertThat(answer.status()).as(answer.body()).isEqualTo(503);
            assertThat(answer.error()).isEqualTo("overloaded");
            assertThat(overstrained.client().submit(next()).status()).isEqualTo(200);
        }
        overstrained.process().program().awaitLine(line -> line.contains("no memory to read a body of"));
    }

    @Test
    void millionsOfElements_areRefused() throws Exception {
        assertRefused(next().with("v_star", "[" + "1,".repeat(500_000) + "1]").json(), "v_star must have at most ");
        assertRefused(next().with("scales", "[" + "1,".repeat(500_000) + "1]").json(), "scales must not repeat");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "nonsense\r\n\r\n",
                "POST\r\n\r\n",
                "POST /v1/pcs/submit HTTP/1.1\r\n\r\n",
                "POST /v1/pcs/submit HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 0\r\n\r\n",
                "POST /v1/pcs/submit HTTP/1.1\r\nHost: e2e\r\nContent-Length: x\r\n\r\n",
                "POST /v1/pcs/submit HTTP/1.1\r\nHost: e2e\r\nContent-Length: -1\r\n\r\n",
                "POST /v1/pcs/submit HTTP/1.1\r\nHost: e2e\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
                "POST /v1/pcs/submit HTTP/1.1\r\nHost: e2e\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
                "POST /v1/pcs/submit HTTP/1.1\r\nHost: e2e\r\nTransfer-Encoding: chunked\r\n\r\nnot hex\r\n",
                "POST /v1/pcs/submit HTTP/1.1\r\nHost: e2e\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}garbage",
                "POST /v1/pcs/submit HTTP/1.1\r\nHost: e2e\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
                "POST /v1/pcs/submit HTTP/1.1\r\nHost: e2e\r\nno colon\r\nContent-Length: 0\r\n\r\n",
                "GET /health HTTP/1.1\r\nHost : e2e\r\n\r\n"
            })
    void malformedRequest_is400AndTheConnectionEnds(String request) throws IOException {
        try (RawConnection connection = backend.connect()) {
            Answer answer = connection.send(request).read();
            assertThat(answer.status()).as(answer.body()).isEqualTo(400);
            assertThat(answer.error()).isNotEmpty();
            assertThat(answer.has("Date")).isTrue();
            connection.endOutput();
            assertThat(connection.isEnded()).isTrue();
        }
    }

    @Test
    void requestThatEndsInsideItsBody_is400AndIsNotTaken() throws Exception {
        Pcs pcs = next();
        byte[] body = pcs.bytes();
        try (RawConnection connection = backend.connect()) {
            connection.send(
                    "POST /v1/pcs/submit HTTP/1.1\r\nHost: e2e\r\nContent-Length: " + (body.length + 1) + "\r\n\r\n");
            Answer answer = connection.send(body).endOutput().read();
            assertThat(answer.status()).isEqualTo(400);
            assertThat(answer.error()).isEqualTo("the body ended too early");
            assertThat(connection.isEnded()).isTrue();
        }
        assertThat(backend.client().get("/v1/pcs/" + pcs.id()).status()).isEqualTo(404);
    }

    @Test
    void clientsThatGoAwayInTheMiddle_leaveNoConnectionBehind() throws Exception {
        for (int i = 0; i < 20; i++) {
            try (RawConnection connection = backend.connect()) {
                connection.send(
                        "POST /v1/pcs/submit HTTP/1.1\r\nHost: e2e\r\nContent-Length: 1000\r\n\r\n{\"pcs_id\":");
            }
        }
        // one connection may be the client's own
        await().untilAsserted(() ->
                assertThat(backend.client().metric("flk_http_connections")).isLessThanOrEqualTo(2));
    }

    @Test
    void requestSmuggledBehindABody_isNotServed() throws Exception {
        try (RawConnection connection = backend.connect()) {
            connection
                    .send(
                            "POST /v1/pcs/submit HTTP/1.1\r\nHost: e2e\r\nContent-Length: 0\r\nContent-Length: 30\r\n\r\n")
                    .send("GET /health HTTP/1.1\r\nHost: e2e\r\n\r\n");
            assertThat(connection.read().status()).isEqualTo(400);
            connection.endOutput();
            assertThat(connection.isEnded()).isTrue();
        }
    }

    @Test
    void endlessHeader_is431() throws IOException {
        try (RawConnection connection = backend.connect()) {
            Answer answer = connection
                    .send("GET /health HTTP/1.1\r\nHost: e2e\r\nX-Long: " + "x".repeat(17 << 10))
                    .read();
            assertThat(answer.status()).isEqualTo(431);
            assertThat(answer.error()).isEqualTo("header too large");
        }
    }

    private static void assertRefused(String body, String error) throws Exception {
        Answer answer = backend.client().submit(body.getBytes(StandardCharsets.UTF_8));
        assertThat(answer.status()).as(answer.body()).isEqualTo(400);
        assertThat(answer.error()).startsWith(error);
    }

    /** An object of that many different keys, as short as they can be. */
    private static String keys(int count) {
        StringBuilder object = new StringBuilder("{");
        for (int i = 0; i < count; i++) {
            object.append(i == 0 ? "\"" : ",\"")
                    .append(Integer.toString(i, Character.MAX_RADIX))
                    .append("\":0");
        }
        return object.append('}').toString();
    }
}
