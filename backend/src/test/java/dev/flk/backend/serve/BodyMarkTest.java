// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.ingest.Ingest.Outcome;
import dev.flk.backend.ingest.Ingest.Outcome.Refusal;
import dev.flk.backend.ingest.Ingest.Outcome.Refused;
import dev.flk.backend.ingest.Ingest.Outcome.Relation;
import dev.flk.canonical.Sha256;
import dev.flk.http.testing.RawClient;
import dev.flk.http.testing.RawClient.Reply;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HexFormat;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests of the marks of refusals, which requests with {@code Content-Digest} get, and no other requests. */
class BodyMarkTest {
    private static final String SUBMIT = "/v1/pcs/submit";
    private static final String BATCH = "/v1/pcs/batch";

    @RegisterExtension
    private final ServerFixture server = new ServerFixture();

    /** Makes ingest answer {@code 400}, {@code 401}, {@code 500} and {@code 503} to bodies with this text. */
    @BeforeEach
    void answerAsTheBodySays() {
        server.ingest.answer(body -> switch (body.strip()) {
            case "400" -> Refused.malformed("bad \"epoch\"");
            case "401" -> Refused.BAD_SIGNATURE;
            case "500" -> Refused.LOG_FAILED;
            case "503" -> new Refused(Refusal.STARTING, 1);
            case "202" -> ScriptedIngest.decided(202, "{}", Relation.FIRST);
            default -> outcome();
        });
    }

    private static Outcome outcome() {
        return ScriptedIngest.decided(200, "{}", Relation.FIRST);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "400 | {'error':'bad \\'epoch\\''} | true",
                "401 | {'error':'Signature verification failed'} | true",
                "500 | {'error':'log append failed'} | false",
                "503 | {'error':'starting'} | false",
                "202 | {} | false",
                "200 | {} | false"
            })
    void submit_withDigest_marksOnlyVerdicts_withoutItTheBytesAreAsEver(int status, String expected, boolean isMarked)
            throws IOException {
        String body = Integer.toString(status);
        String old = quoted(expected);

        assertThat(post(SUBMIT, body).body()).isEqualTo(old);
        Reply answer = post(SUBMIT, body, digestOf(body));

        assertThat(answer.status()).isEqualTo(status);
        assertThat(answer.body()).isEqualTo(isMarked ? marked(old, body) : old);
    }

    @Test
    void batch_withDigest_marksEachRefusedLineWithItsOwnDigest() throws IOException {
        String tooLong = "x".repeat(ServerFixture.MAX_BODY_BYTES + 1);
        String lines = "400\r\n401\n200\n503\n" + tooLong;
        String old = """
                {"status":400,"body":B400}
                {"status":401,"body":B401}
                {"status":200,"body":{}}
                {"status":503,"body":{"error":"starting"},"retry_after":1}
                {"status":413,"body":B413}
                """;
        String of400 = "{\"error\":\"bad \\\"epoch\\\"\"}";
        String of401 = "{\"error\":\"Signature verification failed\"}";
        String of413 = "{\"error\":\"body over 1000 bytes\"}";

        assertThat(post(BATCH, lines).body())
                .isEqualTo(old.replace("B400", of400).replace("B401", of401).replace("B413", of413));
        assertThat(post(BATCH, lines, digestOf(lines)).body())
                .isEqualTo(old.replace("B400", marked(of400, "400"))
                        .replace("B401", marked(of401, "401"))
                        .replace("B413", marked(of413, tooLong)));
    }

    @ParameterizedTest
    @CsvSource({
        "'', 400, '{\"error\":\"empty batch, send one certificate per line\"}'",
        "'\n\n\n\n\n\n', 413, '{\"error\":\"batch over 5 lines\"}'"
    })
    void batch_refusedAsAWhole_isMarkedWithTheDigestOfTheWhole(String lines, int status, String old)
            throws IOException {
        assertThat(post(BATCH, lines).body()).isEqualTo(old);
        Reply answer = post(BATCH, lines, digestOf(lines));

        assertThat(answer.status()).isEqualTo(status);
        assertThat(answer.body()).isEqualTo(marked(old, lines));
    }

    @Test
    void submit_declaredTooLong_isMarkedWithWhatItDeclares() throws IOException {
        String body = "x".repeat(ServerFixture.MAX_BODY_BYTES + 1);
        String old = "{\"error\":\"body over 1000 bytes\"}";

        assertThat(post(SUBMIT, body).body()).isEqualTo(old);
        assertThat(post(SUBMIT, body, digestOf(body)).body())
                .isEqualTo(marked(old, body).replace("\"}", "\",\"body_bytes\":1001}"));
    }

    @Test
    void submit_chunkedAndTooLong_isNotMarkedBecauseItsBytesAreUnknown() throws IOException {
        String body = "x".repeat(ServerFixture.MAX_BODY_BYTES + 1);

        Reply answer = server.connect()
                .send("POST " + SUBMIT + " HTTP/1.1\nHost: h\n" + digestOf(body)
                        + "\nTransfer-Encoding: chunked\n\n3e9\n" + body + "\n0\n\n")
                .read();

        assertThat(answer.status()).isEqualTo(413);
        assertThat(answer.body()).isEqualTo("{\"error\":\"body over 1000 bytes\"}");
    }

    /** Checks that a body which a proxy has shortened, emptied or changed is never submitted. */
    @ParameterizedTest
    @ValueSource(strings = {"", "40", "4000", "401", "200 "})
    void changedBody_isAnsweredAsAnOutageAndNotSubmitted(String received) throws IOException {
        RawClient client = server.connect();
        for (String path : new String[] {SUBMIT, BATCH}) {
            Reply answer = client.post(path, received.getBytes(StandardCharsets.UTF_8), digestOf("400"))
                    .read();

            assertThat(answer.status()).isEqualTo(408);
            assertThat(answer.header("retry-after")).contains("1");
            assertThat(answer.body())
                    .isEqualTo("{\"error\":\"the body does not have the digest in Content-Digest; something in"
                            + " between has changed it\"}");
        }
        assertThat(server.ingest.turns).isEmpty();
        assertThat(server.sample("flk_rejected_total{reason=\"changed\",}")).isEqualTo("2.0");
    }

    @Test
    void bodyInManyPackets_isCheckedAsAWhole() throws IOException {
        String body = " ".repeat(500) + "400";
        RawClient client = server.connect()
                .send("POST " + SUBMIT + " HTTP/1.1\nHost: h\n" + digestOf(body) + "\nContent-Length: 503\n\n");
        client.send(body.substring(0, 200));
        client.send(body.substring(200));

        assertThat(client.read().body()).isEqualTo(marked("{\"error\":\"bad \\\"epoch\\\"\"}", body));
    }

    /** Checks that digests of other algorithms, and malformed digests, are treated as if there were none. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "Content-Digest: sha-512=:AAAA:",
                "Content-Digest: sha-256=:AAAA:",
                "Content-Digest: sha-256",
                "Content-Digest: x-sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:",
                "Content-Digest:"
            })
    void unknownDigest_isIgnored(String header) throws IOException {
        assertThat(post(SUBMIT, "400", header).body()).isEqualTo("{\"error\":\"bad \\\"epoch\\\"\"}");
    }

    @Test
    void digestAmongOthers_isFound() throws IOException {
        String header = digestOf("400").replace("sha-256", "sha-512=:AAAA:, sha-256");

        assertThat(post(SUBMIT, "400", header).body()).contains("body_sha256");
    }

    private Reply post(String path, String body, String... headers) throws IOException {
        return server.connect()
                .post(path, body.getBytes(StandardCharsets.UTF_8), headers)
                .read();
    }

    private static String digestOf(String body) {
        return "Content-Digest: sha-256=:" + Base64.getEncoder().encodeToString(sha256(body)) + ":";
    }

    private static String marked(String old, String body) {
        return old.substring(0, old.length() - 1) + ",\"body_sha256\":\""
                + HexFormat.of().formatHex(sha256(body)) + "\"}";
    }

    private static byte[] sha256(String body) {
        return Sha256.of(body.getBytes(StandardCharsets.UTF_8));
    }

    private static String quoted(String json) {
        return json.replace('\'', '"');
    }
}
