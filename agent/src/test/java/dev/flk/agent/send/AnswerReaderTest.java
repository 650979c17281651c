// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.send.BackendClient.Reply;
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
    @CsvSource({"200, true, false", "202, true, true", "202, false, true"})
    void read_outcomeOfThisCertificate_isRecorded(int status, boolean accepted, boolean escalated) {
        assertThat(read(status, outcome(accepted, escalated))).isEqualTo(new Answer.Recorded(status));
    }

    @ParameterizedTest
    @CsvSource({"202, true, false", "200, true, true", "200, false, true", "200, 1, 0", "200, '\"true\"', false"})
    void read_outcomeThatDoesNotFitTheStatus_isAnOutage(int status, String accepted, String escalated) {
        assertThat(read(status, outcome(accepted, escalated))).isInstanceOf(Answer.Outage.class);
    }

    @ParameterizedTest
    @ValueSource(ints = {200, 202})
    void read_echoOfTheCertificate_isAnOutage(int status) {
        String echo = new String(Certificates.certificate(1), StandardCharsets.UTF_8);

        assertThat(read(status, echo)).isInstanceOf(Answer.Outage.class);
    }

    @ParameterizedTest
    @ValueSource(ints = {200, 202})
    void read_batchAnsweredWithOneOutcome_isAnOutageForAll(int status) {
        assertThat(AnswerReader.read(shipment(), reply(status, OUTCOME), null))
                .hasSize(2)
                .allMatch(answer -> answer instanceof Answer.Outage);
    }

    @Test
    void read_tlsHandshakeFailed_wasNotSent() {
        assertThat(AnswerReader.read(shipment(), null, new SSLHandshakeException("expired")))
                .containsOnly(new Answer.Outage(
                        "TLS fails: check TLS_CA, TLS_CERT and TLS_KEY, and the host's name (expired)",
                        Answer.Reach.NOT_SENT));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"", "OK", "<html>welcome</html>", "{}", "[]", "null", "{\"pcs_id\":\"other\"}", "{\"pcs_id\":1}"
            })
    void read_200WithoutTheOutcome_isAnOutage(String body) {
        assertThat(read(200, body)).isInstanceOf(Answer.Outage.class);
    }

    @ParameterizedTest
    @ValueSource(strings = {" {}", ",\"pcs_id\":\"x\"}", ""})
    void read_200WithBrokenJson_isAnOutage(String end) {
        assertThat(read(200, OUTCOME.substring(0, OUTCOME.length() - 1) + end)).isInstanceOf(Answer.Outage.class);
    }

    @Test
    void read_200WithConflictHeader_isAConflict() {
        Reply reply = new Reply(200, true, Optional.empty(), Optional.empty(), utf8(OUTCOME));

        assertThat(AnswerReader.read(reply, ID)).isEqualTo(new Answer.Conflict(200));
    }

    @ParameterizedTest
    @CsvSource({"400, bad epoch", "413, too long"})
    void read_refusalOfTheBackend_isForGood(int status, String error) {
        assertThat(read(status, error(error))).isEqualTo(new Answer.Never(status, error));
    }

    @Test
    void read_400TimestampInFuture_isNotForGood() {
        String error = "timestamp in future: sent_at=a, now=b, ahead=c";

        assertThat(read(400, error(error))).isEqualTo(new Answer.InFuture(error));
    }

    @Test
    void read_401OfTheBackend_isABadSignature() {
        assertThat(read(401, error("Signature verification failed"))).isEqualTo(new Answer.BadSignature());
    }

    @ParameterizedTest
    @CsvSource({"408, slow body", "429, Too many requests", "500, log append failed", "503, starting"})
    void read_temporaryAnswerOfTheBackend_isLater(int status, String error) {
        Reply reply = new Reply(status, false, Optional.of("7"), Optional.empty(), utf8(error(error)));

        assertThat(AnswerReader.read(reply, ID)).isEqualTo(new Answer.Later(status, error, 7));
    }

    @ParameterizedTest
    @CsvSource({"'', 0", "-1, 0", "1.5, 0", "'Wed, 21 Oct 2026 07:28:00 GMT', 0", "99999999, 3600", "99999999999999, 0"
    })
    void read_retryAfterThatIsOdd_isTakenForBounded(String header, long seconds) {
        Reply reply = new Reply(503, false, Optional.of(header), Optional.empty(), utf8(error("starting")));

        assertThat(AnswerReader.read(reply, ID)).isEqualTo(new Answer.Later(503, "starting", seconds));
    }

    @ParameterizedTest
    @ValueSource(ints = {400, 401, 408, 413, 429, 500, 503})
    void read_rightStatusButNotOurBody_isAnOutage(int status) {
        assertThat(read(status, "<html>no</html>")).isInstanceOf(Answer.Outage.class);
        assertThat(read(status, "{\"error\":\"x\",\"code\":7}")).isInstanceOf(Answer.Outage.class);
    }

    @Test
    void read_401OfSomebodyElse_isAnOutage() {
        assertThat(read(401, error("login first"))).isInstanceOf(Answer.Outage.class);
    }

    @ParameterizedTest
    @ValueSource(ints = {100, 201, 204, 301, 302, 307, 403, 404, 405, 502, 504})
    void read_anyOtherStatus_isAnOutage(int status) {
        assertThat(read(status, error("whatever"))).isInstanceOf(Answer.Outage.class);
        assertThat(read(status, OUTCOME)).isInstanceOf(Answer.Outage.class);
    }

    @Test
    void read_noConnection_wasNotSent() {
        assertThat(AnswerReader.read(shipment(), null, new CompletionException(new ConnectException())))
                .containsExactly(
                        new Answer.Outage("no connection", Answer.Reach.NOT_SENT),
                        new Answer.Outage("no connection", Answer.Reach.NOT_SENT));
    }

    @Test
    void read_connectionLost_mayHaveArrived() {
        assertThat(AnswerReader.read(shipment(), null, new IOException("reset")))
                .containsOnly(new Answer.Outage("no answer: reset", Answer.Reach.UNKNOWN));
    }

    @Test
    void read_batch_tellsEachLine() {
        String lines = "{\"status\":200,\"body\":" + OUTCOME + ",\"conflict\":true}\n" + "{\"status\":429,\"body\":"
                + error("Too many requests") + ",\"retry_after\":3}\n";

        assertThat(AnswerReader.read(shipment(), reply(200, lines), null))
                .containsExactly(new Answer.Conflict(200), new Answer.Later(429, "Too many requests", 3));
    }

    /** What is no backend's form is an outage. */
    @Test
    void read_batchWhoseStatusIsText_isAnOutageForThatLine() {
        String lines = "{\"status\":\"200\",\"body\":" + OUTCOME + "}\n{\"status\":200.0,\"body\":" + OUTCOME + "}\n";

        assertThat(AnswerReader.read(shipment(), reply(200, lines), null))
                .hasSize(2)
                .allMatch(answer -> answer instanceof Answer.Outage);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "{\"status\":200}\n", "{}\n{}\n{}\n"})
    void read_batchWithTheWrongNumberOfLines_isAnOutageForAll(String lines) {
        assertThat(AnswerReader.read(shipment(), reply(200, lines), null))
                .hasSize(2)
                .allMatch(answer -> answer instanceof Answer.Outage);
    }

    @Test
    void read_batchWithABrokenLine_isAnOutageForThatLine() {
        String id2 = Certificates.id(2);
        String lines = "garbage\n{\"status\":200,\"body\":" + OUTCOME.replace(ID, id2) + "}\n";

        List<Answer> answers = AnswerReader.read(shipment(), reply(200, lines), null);

        assertThat(answers.get(0)).isInstanceOf(Answer.Outage.class);
        assertThat(answers.get(1)).isEqualTo(new Answer.Recorded(200));
    }

    @Test
    void read_batchRefusedAsAWhole_isThatForAll() {
        assertThat(AnswerReader.read(shipment(), reply(503, error("starting")), null))
                .containsOnly(new Answer.Later(503, "starting", 0))
                .hasSize(2);
    }

    private static String outcome(Object accepted, Object escalated) {
        return "{\"pcs_id\":\"" + ID + "\",\"accepted\":" + accepted + ",\"escalated\":" + escalated + "}";
    }

    private static Shipment shipment() {
        return new Shipment(List.of(parcel(1), parcel(2)));
    }

    private static Shipment.Parcel parcel(long epoch) {
        try {
            SendingForm form =
                    SendingForm.signed(Certificates.certificate(epoch), Optional.empty(), java.time.Instant.EPOCH);
            return new Shipment.Parcel(
                    new Delivery(new dev.flk.agent.outbox.Entry(epoch, 0, 1, -1), 0),
                    form.signed(),
                    form.line(),
                    form.line());
        } catch (dev.flk.certificate.MalformedCertificate e) {
            throw new AssertionError(e);
        }
    }

    private static Answer read(int status, String body) {
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
