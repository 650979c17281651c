// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.send.BackendClient.Reply;
import dev.flk.agent.send.SubmitResult.Kind;
import java.io.IOException;
import java.net.ConnectException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletionException;
import javax.net.ssl.SSLHandshakeException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class AnswerReaderTest {
    private static final String ID = Certificates.id(1);
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
        Reply reply = new Reply(200, true, Optional.empty(), Optional.empty(), utf8(OUTCOME));
        assertThat(AnswerReader.read(reply, ID)).isEqualTo(new SubmitResult(Kind.CONFLICT, 200, ""));
    }

    @ParameterizedTest
    @CsvSource({
        "400, bad epoch, NEVER",
        "413, too long, NEVER",
        "400, 'timestamp in future: sent_at=a, now=b, ahead=c', IN_FUTURE",
        "408, slow body, LATER",
        "429, Too many requests, LATER",
        "500, log append failed, LATER",
        "503, starting, LATER"
    })
    void read_errorOfTheBackend_hasItsKindReasonAndDelay(int status, String error, Kind kind) {
        Reply reply = new Reply(status, false, Optional.of("7"), Optional.empty(), utf8(error(error)));
        assertThat(AnswerReader.read(reply, ID))
                .isEqualTo(new SubmitResult(kind, status, error, kind == Kind.LATER ? 7 : 0));
    }

    @Test
    void read_401_isABadSignatureOnlyIfTheBackendSentIt() {
        assertThat(read(401, error("Signature verification failed")))
                .isEqualTo(new SubmitResult(Kind.BAD_SIGNATURE, 401, ""));
        assertThat(read(401, error("login first")).isOutage()).isTrue();
    }

    @ParameterizedTest
    @CsvSource({"'', 0", "-1, 0", "1.5, 0", "'Wed, 21 Oct 2026 07:28:00 GMT', 0", "99999999, 3600", "99999999999999, 0"
    })
    void read_unusualRetryAfter_isIgnoredOrBounded(String header, long seconds) {
        Reply reply = new Reply(503, false, Optional.of(header), Optional.empty(), utf8(error("starting")));
        assertThat(AnswerReader.read(reply, ID)).isEqualTo(new SubmitResult(Kind.LATER, 503, "starting", seconds));
    }

    @ParameterizedTest
    @ValueSource(ints = {400, 401, 408, 413, 429, 500, 503})
    void read_knownStatusWithAForeignBody_isAnOutage(int status) {
        assertThat(read(status, "<html>no</html>").isOutage()).isTrue();
        assertThat(read(status, "{\"error\":\"x\",\"code\":7}").isOutage()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(ints = {100, 201, 204, 301, 302, 307, 403, 404, 405, 502, 504})
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

    private static List<SubmitResult> readBatch(int status, String body) {
        return AnswerReader.read(Certificates.batch(), reply(status, body), null);
    }

    private static SubmitResult read(int status, String body) {
        return AnswerReader.read(reply(status, body), ID);
    }

    private static Reply reply(int status, String body) {
        return new Reply(status, false, Optional.empty(), Optional.empty(), utf8(body));
    }

    private static String error(String text) {
        return "{\"error\":\"" + text + "\"}";
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
