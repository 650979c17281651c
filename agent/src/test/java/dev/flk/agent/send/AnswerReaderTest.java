// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.send.BackendClient.Reply;
import dev.flk.agent.send.SubmitResult.Kind;
import java.io.IOException;
import java.net.ConnectException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletionException;
import javax.net.ssl.SSLHandshakeException;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class AnswerReaderTest {
    private static final String ID = Certificates.id(1);
    private static final byte[] SENT = Certificates.certificate(1);
    private static final String OUTCOME = "{\"pcs_id\":\"" + ID + "\",\"accepted\":true,\"escalated\":false}";

    @ParameterizedTest
    @CsvSource({
        "200, true, false, RECORDED",
        "202, true, true, RECORDED",
        "202, false, true, REJECTED",
        "202, true, false, NO_ANSWER",
        "200, true, true, NO_ANSWER",
        "200, false, true, NO_ANSWER",
        "200, 1, 0, NO_ANSWER",
        "200, '\"true\"', false, NO_ANSWER"
    })
    void read_outcome_countsAsRecordedIfItMatchesTheStatus(int status, String accepted, String escalated, Kind kind) {
        String outcome = "{\"pcs_id\":\"" + ID + "\",\"accepted\":" + accepted + ",\"escalated\":" + escalated + "}";
        assertThat(read(status, outcome).kind()).isEqualTo(kind);
    }

    @Test
    void read_echoOfTheCertificate_isAnOutage() {
        String echo = new String(Certificates.certificate(1), StandardCharsets.UTF_8);
        assertThat(read(200, echo).isOutage()).isTrue();
        assertThat(read(202, echo).isOutage()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "OK",
                "<html>welcome</html>",
                "{}",
                "[]",
                "null",
                "{\"pcs_id\":\"other\"}",
                "{\"pcs_id\":1}",
                "OUTCOME {}",
                "OUTCOME,\"pcs_id\":\"x\"}",
                "CUT"
            })
    void read_200WithoutTheOutcome_isAnOutage(String body) {
        String cut = OUTCOME.substring(0, OUTCOME.length() - 1);
        assertThat(read(
                                200,
                                body.replace("OUTCOME,", cut + ",")
                                        .replace("OUTCOME", OUTCOME)
                                        .replace("CUT", cut))
                        .isOutage())
                .isTrue();
    }

    @Test
    void read_200WithConflictHeader_isAConflict() {
        Reply reply = new Reply(200, true, Optional.empty(), Optional.empty(), Optional.empty(), utf8(OUTCOME));
        assertThat(AnswerReader.read(reply, ID, SENT)).isEqualTo(new SubmitResult(Kind.CONFLICT, 200, ""));
    }

    @ParameterizedTest
    @CsvSource({
        "400, 'timestamp in future: sent_at=a, now=b, ahead=c', IN_FUTURE",
        "408, slow body, LATER",
        "429, Too many requests, LATER",
        "500, log append failed, LATER",
        "503, starting, LATER"
    })
    void read_errorOfTheBackend_hasItsKindReasonAndDelay(int status, String error, Kind kind) {
        Reply reply =
                new Reply(status, false, Optional.of("7"), Optional.empty(), Optional.empty(), utf8(error(error)));
        assertThat(AnswerReader.read(reply, ID, SENT))
                .isEqualTo(new SubmitResult(kind, status, error, kind == Kind.LATER ? 7 : 0));
    }

    /**
     * Checks each status with each form of body: {@code marked} by the backend, without the mark ({@code form}), with the
     * mark of other bytes, with a foreign JSON object, and with HTML.
     */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                // status | marked | mark of other bytes | form | foreign JSON | HTML
                "400 | NEVER | UNPROVEN | UNPROVEN | UNPROVEN | UNPROVEN",
                "413 | NEVER | UNPROVEN | UNPROVEN | UNPROVEN | UNPROVEN",
                "401 | FOREIGN | FOREIGN | FOREIGN | FOREIGN | FOREIGN",
                "402 | UNPROVEN | UNPROVEN | UNPROVEN | UNPROVEN | UNPROVEN",
                "403 | UNPROVEN | UNPROVEN | UNPROVEN | UNPROVEN | UNPROVEN",
                "404 | FOREIGN | FOREIGN | FOREIGN | FOREIGN | FOREIGN",
                "405 | FOREIGN | FOREIGN | FOREIGN | FOREIGN | FOREIGN",
                "406 | UNPROVEN | UNPROVEN | UNPROVEN | UNPROVEN | UNPROVEN",
                "407 | FOREIGN | FOREIGN | FOREIGN | FOREIGN | FOREIGN",
                "408 | LATER | NO_ANSWER | LATER | NO_ANSWER | NO_ANSWER",
                "409 | UNPROVEN | UNPROVEN | UNPROVEN | UNPROVEN | UNPROVEN",
                "414 | UNPROVEN | UNPROVEN | UNPROVEN | UNPROVEN | UNPROVEN",
                "415 | FOREIGN | FOREIGN | FOREIGN | FOREIGN | FOREIGN",
                "422 | UNPROVEN | UNPROVEN | UNPROVEN | UNPROVEN | UNPROVEN",
                "429 | LATER | NO_ANSWER | LATER | NO_ANSWER | NO_ANSWER",
                "431 | UNPROVEN | UNPROVEN | UNPROVEN | UNPROVEN | UNPROVEN",
                "451 | UNPROVEN | UNPROVEN | UNPROVEN | UNPROVEN | UNPROVEN",
                "500 | LATER | NO_ANSWER | LATER | NO_ANSWER | NO_ANSWER",
                "501 | NO_ANSWER | NO_ANSWER | NO_ANSWER | NO_ANSWER | NO_ANSWER",
                "502 | NO_ANSWER | NO_ANSWER | NO_ANSWER | NO_ANSWER | NO_ANSWER",
                "503 | LATER | NO_ANSWER | LATER | NO_ANSWER | NO_ANSWER",
                "504 | NO_ANSWER | NO_ANSWER | NO_ANSWER | NO_ANSWER | NO_ANSWER",
                "505 | NO_ANSWER | NO_ANSWER | NO_ANSWER | NO_ANSWER | NO_ANSWER",
                "599 | NO_ANSWER | NO_ANSWER | NO_ANSWER | NO_ANSWER | NO_ANSWER"
            })
    void read_anyRefusal_isFinalOnlyWithTheMarkOfTheseBytes(
            int status, Kind marked, Kind ofOther, Kind form, Kind foreign, Kind html) {
        String sent = new String(SENT, StandardCharsets.UTF_8);
        String error = error("bad epoch");

        assertThat(kinds(
                        status,
                        ScriptedBackend.marked(error, sent),
                        ScriptedBackend.marked(error, sent.replace("mixed", "mixes")),
                        error,
                        "{\"error\":\"x\",\"code\":7}",
                        "<html>no</html>"))
                .containsExactly(marked, ofOther, form, foreign, html);
    }

    /** Checks the same forms in the line of a batch. */
    @ParameterizedTest
    @CsvSource({
        "400, NEVER, UNPROVEN",
        "413, NEVER, UNPROVEN",
        "403, UNPROVEN, UNPROVEN",
        "500, LATER, LATER",
        "503, LATER, LATER",
        "404, FOREIGN, FOREIGN"
    })
    void read_anyRefusedLine_isFinalOnlyWithTheMarkOfThisLine(int status, Kind marked, Kind unmarked) {
        List<byte[]> sent = Certificates.batch().lines();
        String ofFirst = ScriptedBackend.marked(error("x"), new String(sent.get(0), StandardCharsets.UTF_8));
        String line = "{\"status\":" + status + ",\"body\":";

        assertThat(readBatch(200, line + ofFirst + "}\n" + line + error("x") + "}\n"))
                .extracting(SubmitResult::kind)
                .containsExactly(marked, unmarked);
        assertThat(readBatch(200, line + error("x") + "}\n" + line + ofFirst + "}\n")
                        .get(1)
                        .kind())
                .as("the mark of another line")
                .isEqualTo(status == 500 || status == 503 ? Kind.NO_ANSWER : unmarked);
    }

    @Test
    void read_401_isABadSignatureOnlyIfTheBackendSentIt() {
        String error = error("Signature verification failed");
        assertThat(read(401, ScriptedBackend.marked(error, new String(SENT, StandardCharsets.UTF_8))))
                .isEqualTo(new SubmitResult(Kind.BAD_SIGNATURE, 401, ""));
        assertThat(read(401, error).kind()).isEqualTo(Kind.UNPROVEN_SIGNATURE);
        assertThat(read(401, error("login first")).isOutage()).isTrue();
    }

    /** Checks the mark of a body that was refused unread: both the digest and the length must be those of the body. */
    @ParameterizedTest
    @CsvSource({"0, NEVER", "1, UNPROVEN", "-1, UNPROVEN"})
    void read_413OfADeclaredLength_isFinalOnlyIfTheLengthIsRight(int wrongBy, Kind kind) {
        String marked = ScriptedBackend.marked(error("too long"), new String(SENT, StandardCharsets.UTF_8));
        String body = marked.replace("\"}", "\",\"body_bytes\":" + (SENT.length + wrongBy) + "}");

        assertThat(read(413, body).kind()).isEqualTo(kind);
        assertThat(read(413, body.replace("bytes\":", "bytes\":\"").replace("}", "\"}"))
                        .kind())
                .as("a length in quotes")
                .isEqualTo(Kind.UNPROVEN);
    }

    @Test
    void read_batchRefusedForGood_isProvenByTheMarkOfTheWholeBody() {
        String lines = new String(BackendClient.joined(Certificates.batch().lines()), StandardCharsets.UTF_8);
        assertThat(readBatch(413, ScriptedBackend.marked(error("batch over 1 lines"), lines)))
                .extracting(SubmitResult::kind)
                .containsOnly(Kind.NEVER);
        assertThat(readBatch(413, error("batch over 1 lines")))
                .extracting(SubmitResult::kind)
                .containsOnly(Kind.UNPROVEN);
    }

    /** Checks {@code Retry-After} in seconds and as a time, which counts from the {@code Date} of the same answer. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "                              |      0",
                "-1                            |      0",
                "1.5                           |      0",
                "120                           |    120",
                "99999999                      |   3600",
                "99999999999999                |      0",
                "Wed, 21 Oct 2026 07:28:00 GMT |      0",
                "Wed, 21 Oct 2026 07:30:00 GMT |    120",
                "Wed, 21 Oct 2026 07:27:00 GMT |      0",
                "Fri, 21 Oct 2033 07:27:00 GMT |   3600",
                "soon                          |      0"
            })
    void read_retryAfter_isHonouredUpToAnHour(@Nullable String header, long seconds) {
        Instant date = Instant.parse("2026-10-21T07:28:00Z");
        for (int status : new int[] {429, 503}) {
            for (String body : new String[] {error("starting"), "<html>come back later</html>"}) {
                Reply reply = new Reply(
                        status, false, Optional.ofNullable(header), Optional.of(date), Optional.empty(), utf8(body));
                assertThat(AnswerReader.read(reply, ID, SENT).retryAfterSeconds())
                        .as(status + " " + body)
                        .isEqualTo(seconds);
            }
        }
    }

    @Test
    void read_retryAfterAsATimeWithoutDate_isIgnored() {
        Reply reply = new Reply(
                503,
                false,
                Optional.of("Wed, 21 Oct 2099 07:30:00 GMT"),
                Optional.empty(),
                Optional.empty(),
                utf8(error("starting")));
        assertThat(AnswerReader.read(reply, ID, SENT)).isEqualTo(new SubmitResult(Kind.LATER, 503, "starting", 0));
    }

    @ParameterizedTest
    @ValueSource(ints = {100, 201, 204, 301, 302, 307})
    void read_anyOtherStatus_isAnOutage(int status) {
        assertThat(read(status, error("whatever")).isOutage()).isTrue();
        assertThat(read(status, OUTCOME).isOutage()).isTrue();
    }

    @Test
    void read_noReply_saysWhetherItMayHaveArrived() {
        assertThat(AnswerReader.read(Certificates.batch(), null, new CompletionException(new ConnectException())))
                .containsExactly(
                        new SubmitResult(Kind.NOT_SENT, 0, "no connection"),
                        new SubmitResult(Kind.NOT_SENT, 0, "no connection"));
        assertThat(AnswerReader.read(Certificates.batch(), null, new SSLHandshakeException("expired")))
                .containsOnly(new SubmitResult(
                        Kind.NOT_SENT,
                        0,
                        "TLS fails: check TLS_CA, TLS_CERT and TLS_KEY, and the host name (expired)"));
        assertThat(AnswerReader.read(Certificates.batch(), null, new IOException("reset")))
                .containsOnly(SubmitResult.noAnswer("no answer: reset"));
    }

    @Test
    void read_batch_readsEachLine() {
        assertThat(readBatch(
                        200,
                        "{\"status\":200,\"body\":" + OUTCOME + ",\"conflict\":true}\n" + "{\"status\":429,\"body\":"
                                + error("Too many requests") + ",\"retry_after\":3}\n"))
                .containsExactly(
                        new SubmitResult(Kind.CONFLICT, 200, ""),
                        new SubmitResult(Kind.LATER, 429, "Too many requests", 3));
    }

    @Test
    void read_batchWithABrokenLine_isAnOutageForThatLine() {
        String of2 = OUTCOME.replace(ID, Certificates.id(2));
        for (String broken : List.of(
                "garbage",
                "{\"status\":\"200\",\"body\":" + OUTCOME + "}",
                "{\"status\":200.0,\"body\":" + OUTCOME + "}")) {
            List<SubmitResult> results = readBatch(200, broken + "\n{\"status\":200,\"body\":" + of2 + "}\n");
            assertThat(results.get(0).isOutage()).isTrue();
            assertThat(results.get(1)).isEqualTo(new SubmitResult(Kind.RECORDED, 200, ""));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "{\"status\":200}\n", "{}\n{}\n{}\n", "OUTCOME"})
    void read_batchWithTheWrongNumberOfLines_isAnOutageForAll(String lines) {
        assertThat(readBatch(200, lines.replace("OUTCOME", OUTCOME))).hasSize(2).allMatch(SubmitResult::isOutage);
        assertThat(readBatch(202, lines.replace("OUTCOME", OUTCOME))).hasSize(2).allMatch(SubmitResult::isOutage);
    }

    @Test
    void read_batchRefused_appliesToAllLines() {
        assertThat(readBatch(503, error("starting")))
                .containsExactly(
                        new SubmitResult(Kind.LATER, 503, "starting", 0),
                        new SubmitResult(Kind.LATER, 503, "starting", 0));
    }

    private static List<Kind> kinds(int status, String... bodies) {
        return Arrays.stream(bodies).map(body -> read(status, body).kind()).toList();
    }

    private static List<SubmitResult> readBatch(int status, String body) {
        return AnswerReader.read(Certificates.batch(), reply(status, body), null);
    }

    private static SubmitResult read(int status, String body) {
        return AnswerReader.read(reply(status, body), ID, SENT);
    }

    private static Reply reply(int status, String body) {
        return new Reply(status, false, Optional.empty(), Optional.empty(), Optional.empty(), utf8(body));
    }

    private static String error(String text) {
        return "{\"error\":\"" + text + "\"}";
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
