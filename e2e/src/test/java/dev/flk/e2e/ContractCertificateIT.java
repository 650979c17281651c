// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.net.http.HttpRequest.BodyPublishers;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Tests of the certificate format over HTTP: bodies that are answered with 400 or 413, and bodies just within the
 * limits. The verifier's {@code CertificateRulesTest} tests all rules.
 */
final class ContractCertificateIT {
    private static final int MAX_BODY_BYTES = 1 << 20;

    @RegisterExtension
    static final RunningBackend backend = RunningBackend.with(Map.of());

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '~',
            value = {
                "schema|\"fractal-lba\"|schema must be \"fractal-lba-kakeya\"",
                "version|\"0.2\"|version \"0.2\" is not supported; supported versions: 0.1",
                "sent_at|\"2026-01-19T10:30:45\"|sent_at must be an RFC 3339 time like 2026-01-19T10:30:45Z",
                "ft|{\"degraded\":1}|ft degraded must be true or false"
            })
    void submit_brokenField_is400ThatNamesTheRule(String field, String json, String error) throws IOException {
        assertThat(refusalOnAKeptConnection(Pcs.number(0).with(field, json).bytes()))
                .isEqualTo(error);
    }

    @Test
    void submit_sentAtAheadOfTheBackend_is400WithBothClocks() throws IOException {
        Instant sentAt = Instant.now().plus(Duration.ofMinutes(6));
        String error = refusalOnAKeptConnection(
                Pcs.number(0).with("sent_at", "\"" + sentAt + "\"").bytes());
        assertThat(error)
                .matches("timestamp in future: sent_at=" + sentAt + ", now=20[^ ]+Z, ahead=(5m5[0-9.]+|6m)[0-9.]*s?");
    }

    @ParameterizedTest
    @ValueSource(strings = {"\"\"", "null", "7", "\"no base64!\"", "\"AAAA\""})
    void submit_missingOrInvalidSignature_is401(String sig) throws IOException {
        assertUnauthorized(backend.next().tampered("sig", sig));
    }

    @ParameterizedTest
    @ValueSource(strings = {"application/x-www-form-urlencoded", "text/plain; charset=utf-16", "nonsense"})
    void submit_anyContentType_isAccepted(String contentType) throws Exception {
        Answer answer = backend.client()
                .send(backend.client()
                        .request("/v1/pcs/submit")
                        .header("Content-Type", contentType)
                        .POST(BodyPublishers.ofByteArray(backend.next().bytes())));
        assertThat(answer.status()).as(answer.body()).isEqualTo(200);
    }

    @Test
    void submit_unknownFields_areIgnoredAndKeptInTheLog() throws Exception {
        Pcs pcs = backend.next()
                .with("x_note", "{\"nested\":[1,2.50,\"é\\u00e9\",null]}")
                .with("x_deep", nested(31));
        assertTaken(pcs);
        assertThat(backend.log().entries())
                .filteredOn(entry -> entry.body().contains(pcs.id().toString()))
                .extracting(LogFiles.Entry::body)
                .containsExactly(pcs.json());
    }

    @Test
    void submit_bodyOfExactlyTheLimit_isAccepted() throws Exception {
        assertTaken(ofBytes(MAX_BODY_BYTES));
    }

    @ParameterizedTest
    @ValueSource(ints = {MAX_BODY_BYTES + 1, 20 * MAX_BODY_BYTES})
    void submit_bodyOverTheLimit_is413ReadableByASendingClient(int length) throws Exception {
        Answer answer = backend.client().submit(new byte[length]);
        assertThat(answer.status()).isEqualTo(413);
        assertThat(answer.error()).isEqualTo("body over 1048576 bytes");
    }

    private static String nested(int levels) {
        return "[".repeat(levels) + "]".repeat(levels);
    }

    /** Returns a certificate of this length in bytes, padded with an unknown field. */
    private static Pcs ofBytes(int length) {
        Pcs pcs = backend.next().with("x_fill", "\"\"");
        return pcs.with("x_fill", "\"" + "x".repeat(length - pcs.bytes().length) + "\"");
    }

    /** Checks that the format is accepted, regardless of the verdict. */
    private static void assertTaken(Pcs pcs) throws Exception {
        Answer answer = backend.client().submit(pcs);
        assertThat(answer.status()).as(answer.body()).isIn(200, 202);
        assertThat(answer.body()).startsWith("{\"pcs_id\":\"" + pcs.id() + "\",\"accepted\":");
        assertThat(answer.marks()).isEmpty();
    }

    private static void assertUnauthorized(Pcs pcs) throws IOException {
        try (RawConnection connection = backend.connect()) {
            Answer answer = connection.submit(pcs.bytes());
            assertThat(answer.status()).isEqualTo(401);
            assertThat(answer.body()).isEqualTo("{\"error\":\"Signature verification failed\"}");
            assertThat(connection.submit(backend.next().bytes()).status()).isEqualTo(200);
        }
    }

    private static String refusalOnAKeptConnection(byte[] body) throws IOException {
        try (RawConnection connection = backend.connect()) {
            Answer answer = connection.submit(body);
            assertThat(answer.status()).as(answer.body()).isEqualTo(400);
            assertThat(answer.marks()).isEmpty();
            assertThat(connection.submit(backend.next().bytes()).status()).isEqualTo(200);
            return answer.error();
        }
    }
}
