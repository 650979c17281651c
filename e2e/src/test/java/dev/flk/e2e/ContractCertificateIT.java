// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.BrokenCertificates.Broken;
import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The certificate of version 0.1, each rule of its format: what breaks it, and what is just within. */
final class ContractCertificateIT {
    private static final int MAX_BODY_BYTES = 1 << 20;

    @RegisterExtension
    static final RunningBackend backend = RunningBackend.with(Map.of());

    /** Every test has certificates of its own; number 0 is never accepted. */
    private static final AtomicLong NEXT = new AtomicLong(1);

    @ParameterizedTest
    @MethodSource("dev.flk.e2e.BrokenCertificates#fields")
    void submit_brokenField_is400ThatNamesTheRule(Broken broken) throws IOException {
        assertThat(refusalOnAConnectionThatGoesOn(broken.body())).isEqualTo(broken.error());
    }

    @ParameterizedTest
    @MethodSource("dev.flk.e2e.BrokenCertificates#texts")
    void submit_malformedJson_is400(Broken broken) throws IOException {
        assertThat(refusalOnAConnectionThatGoesOn(broken.body()))
                .startsWith("malformed JSON: ")
                .contains(broken.error());
    }

    @Test
    void submit_sentAtAheadOfTheBackend_is400ThatTellsBothClocks() throws IOException {
        Instant sentAt = Instant.now().plus(Duration.ofMinutes(6));
        String error = refusalOnAConnectionThatGoesOn(
                Pcs.number(0).with("sent_at", "\"" + sentAt + "\"").bytes());
        assertThat(error)
                .matches("timestamp in future: sent_at=" + sentAt + ", now=20[^ ]+Z, ahead=(5m5[0-9.]+|6m)[0-9.]*s?");
    }

    @Test
    void submit_sentAtLessThanTheSkewAhead_isTaken() throws Exception {
        assertTaken(next().with("sent_at", "\"" + Instant.now().plus(Duration.ofMinutes(4)) + "\""));
    }

    @Test
    void submit_sentAtFarAheadWhereNoSkewIsSet_isTaken(@TempDir Path directory) throws Exception {
        try (BackendProcess tolerant = BackendProcess.start(directory, Map.of("MAX_CLOCK_SKEW", "0"))) {
            Pcs pcs = next().with("sent_at", "\"9999-12-31T23:59:59Z\"");
            assertThat(new Client(tolerant.url()).submit(pcs).status()).isEqualTo(200);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "2026-01-19T10:30:45.123456789123Z",
                "2026-01-19t10:30:45z",
                "2026-01-19T12:30:45+02:00",
                "1970-01-01T00:00:00-00:00",
                "2016-12-31T23:59:60Z"
            })
    void submit_timeInTheSpellingsOfRfc3339_isTaken(String sentAt) throws Exception {
        assertTaken(next().with("sent_at", "\"" + sentAt + "\""));
    }

    @ParameterizedTest
    @ValueSource(strings = {"\"\"", "null", "7", "\"no base64!\"", "\"AAAA\""})
    void submit_noGoodSignature_is401(String sig) throws IOException {
        assertUnauthorized(next().tampered("sig", sig));
    }

    @Test
    void submit_withoutSignature_is401() throws IOException {
        assertUnauthorized(next().without("sig"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"x", "分", "📞"})
    void submit_shardIdOf256CodePoints_isTaken(String codePoint) throws Exception {
        assertTaken(next().ofShard(codePoint.repeat(256)));
    }

    @ParameterizedTest
    @ValueSource(longs = {0, Long.MAX_VALUE})
    void submit_epochAtItsEnds_isTaken(long epoch) throws Exception {
        assertTaken(Pcs.number(epoch).ofShard("ends"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"attempt", "seed", "v_star"})
    void submit_withoutAnOptionalField_isTaken(String field) throws Exception {
        assertTaken(next().without(field));
    }

    @ParameterizedTest
    @ValueSource(strings = {"1", "9223372036854775808"})
    void submit_anyAttempt_isTaken(String attempt) throws Exception {
        assertTaken(next().with("attempt", attempt));
    }

    @ParameterizedTest
    @ValueSource(strings = {"-9223372036854775808", "9223372036854775807"})
    void submit_seedAtItsEnds_isTaken(String seed) throws Exception {
        assertTaken(next().with("seed", seed));
    }

    @ParameterizedTest
    @ValueSource(strings = {"[]", "[1,2147483647]"})
    void submit_fewOrLargeScales_areTaken(String scales) throws Exception {
        assertTaken(next().with("scales", scales));
    }

    @Test
    void submit_mostScalesAndCounts_areTaken() throws Exception {
        assertTaken(next().with("scales", BrokenCertificates.numbers(64)).with("N_j", BrokenCertificates.keys(256)));
    }

    @ParameterizedTest
    @ValueSource(strings = {"coh_star", "D_hat", "r", "budget"})
    void submit_anySpellingOfAFiniteNumber_isTaken(String field) throws Exception {
        for (String json : new String[] {"3", "1" + "0".repeat(308), "-0.0", "1e-400"}) {
            assertTaken(next().with(field, json));
        }
        // the integer -0 counts as 0.0, and that is what is signed
        assertTaken(next().with(field, "0").tampered(field, "-0"));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 65_536})
    void submit_vStarOfAnyAllowedLength_isTaken(int length) throws Exception {
        assertTaken(next().with("v_star", BrokenCertificates.numbers(length)));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{}",
                "{\"outbox_seq\":18446744073709551616,\"degraded\":false,\"fallbacks\":[],\"clock_skew_ms\":-5}",
                "{\"more\":{\"than\":[\"is\",\"known\"]}}"
            })
    void submit_ft_isTaken(String ft) throws Exception {
        assertTaken(next().with("ft", ft));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "application/json",
                "application/x-www-form-urlencoded",
                "text/plain; charset=utf-16",
                "application/octet-stream",
                "nonsense"
            })
    void submit_anyContentType_isTaken(String contentType) throws Exception {
        Answer answer = backend.client()
                .send(backend.client()
                        .request("/v1/pcs/submit")
                        .header("Content-Type", contentType)
                        .POST(BodyPublishers.ofByteArray(next().bytes())));
        assertThat(answer.status()).as(answer.body()).isEqualTo(200);
    }

    @Test
    void submit_unknownFields_areIgnoredAndKeptInTheLog() throws Exception {
        Pcs pcs = next().with("x_note", "{\"nested\":[1,2.50,\"é\\u00e9\",null]}")
                .with("x_deep", BrokenCertificates.nested(31));
        assertTaken(pcs);
        assertThat(backend.log().entries())
                .filteredOn(entry -> entry.body().contains(pcs.id().toString()))
                .extracting(InboxLog.Entry::body)
                .containsExactly(pcs.json());
    }

    @Test
    void submit_spelledOtherwise_isTaken() throws Exception {
        String spelled = next().json()
                .replace("\"shard-1\"", "\"\\u0073hard\\u002d1\"")
                .replace("\"budget\"", "\"\\u0062udget\"")
                .replace(",", " ,\r\n\t")
                .replace("0.26", "26.0E-2");
        assertThat(backend.client()
                        .submit(("\n " + spelled + "\n").getBytes(StandardCharsets.UTF_8))
                        .status())
                .isEqualTo(200);
    }

    @Test
    void submit_bodyOfExactlyTheLimit_isTaken() throws Exception {
        assertTaken(ofBytes(MAX_BODY_BYTES));
    }

    @Test
    void submit_bodyOverTheLimit_is413() throws Exception {
        Answer answer = backend.client().submit(ofBytes(MAX_BODY_BYTES + 1));
        assertThat(answer.status()).isEqualTo(413);
        assertThat(answer.error()).isEqualTo("body over 1048576 bytes");
    }

    @Test
    void submit_bodyFarOverTheLimit_is413ThatASendingClientCanRead() throws Exception {
        Answer answer = backend.client().submit(new byte[20 * MAX_BODY_BYTES]);
        assertThat(answer.status()).isEqualTo(413);
        assertThat(answer.error()).isEqualTo("body over 1048576 bytes");
    }

    private static Pcs next() {
        return Pcs.number(NEXT.getAndIncrement());
    }

    /** A certificate that an unknown field fills up. */
    private static Pcs ofBytes(int length) {
        Pcs pcs = next().with("x_fill", "\"\"");
        return pcs.with("x_fill", "\"" + "x".repeat(length - pcs.bytes().length) + "\"");
    }

    /** That the format is kept; what verification says is another matter. */
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
            assertThat(connection.submit(next().bytes()).status()).isEqualTo(200);
        }
    }

    private static String refusalOnAConnectionThatGoesOn(byte[] body) throws IOException {
        try (RawConnection connection = backend.connect()) {
            Answer answer = connection.submit(body);
            assertThat(answer.status()).as(answer.body()).isEqualTo(400);
            assertThat(answer.marks()).isEmpty();
            assertThat(connection.submit(next().bytes()).status()).isEqualTo(200);
            return answer.error();
        }
    }
}
