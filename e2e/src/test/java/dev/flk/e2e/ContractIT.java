// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.Client.Answer;
import dev.flk.e2e.Golden.Decided;
import dev.flk.sample.Pcs;
import dev.flk.signing.Ed25519Signer;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Tests of the HTTP contract for certificates: the golden files, what is refused, batches and look-ups. {@link
 * ContractSubmissionIT} runs the jar. Tests of the parts have all cases: {@code CertificateRulesTest}, {@code
 * GoldenCanonicalTest} and {@code GoldenOutcomesTest} of the verifier, {@code RoutesTest} and {@code BodyTest} of the
 * server, {@code OutcomeRendererTest} of the backend.
 */
final class ContractIT {
    private static final int MAX_BODY_BYTES = 1 << 20;
    private static final int MAX_BATCH_BYTES = 8 << 20;
    private static final Ed25519Signer SIGNER = new Ed25519Signer(new byte[Ed25519Signer.SEED_BYTES]);
    private static final String TOO_MANY =
            "\\{\"status\":429,\"body\":\\{\"error\":\"Too many requests\"},\"retry_after\":[0-9]+}";

    @RegisterExtension
    static final RunningBackend backend =
            RunningBackend.with(Map.of("PCS_HMAC_KEYS", "retired," + Golden.CANONICAL_KEY + "," + Golden.OUTCOMES_KEY));

    @RegisterExtension
    static final RunningBackend ed25519 = RunningBackend.with(Map.of(
            "PCS_SIGN_ALG",
            "ed25519",
            "PCS_ED25519_PUB_B64",
            Golden.CANONICAL_PUBLIC_KEY + "," + SIGNER.publicKeyBase64()));

    @TempDir
    private Path directory;

    @Test
    void goldenOutcomes_areAnsweredToTheByte_inABatchAndAlone() throws Exception {
        List<Decided> all = Golden.outcomes();
        assertThat(lines(backend.client(), all.stream().map(Decided::certificate)))
                .isEqualTo(all.stream()
                        .map(each -> "{\"status\":" + each.status() + ",\"body\":" + each.body() + "}")
                        .toList());
        for (Decided expected : all) {
            Answer answer = backend.client().submit(expected.bytes());
            assertThat(answer.body()).as(expected.name()).isEqualTo(expected.body());
            assertThat(answer.status()).as(expected.name()).isEqualTo(expected.status());
            assertThat(answer.header("Content-Type")).isEqualTo("application/json");
        }
    }

    /** Checks that all signatures and formats are accepted, regardless of the verdicts. */
    @Test
    void goldenSignatures_areAccepted() throws Exception {
        for (String algorithm : List.of("hmac", "ed25519")) {
            Client client = (algorithm.equals("hmac") ? backend : ed25519).client();
            // some certificates span several lines
            assertThat(lines(
                            client,
                            Golden.signedCertificates(algorithm).stream().map(each -> each.replace('\n', ' '))))
                    .hasSize(400)
                    .allSatisfy(line -> assertThat(line).matches("\\{\"status\":20[02],\"body\":\\{\"pcs_id\":.+}}"));
        }
    }

    /**
     * Requests that are refused. The body of a POST is {@code LONG} with a number of bytes, {@code LINES}, or a new
     * certificate with fields that are changed after it was signed. A request without a body is a GET.
     */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', textBlock = """
            400 | /v1/pcs/submit | schema="fractal-lba"  | schema must be "fractal-lba-kakeya"
            400 | /v1/pcs/submit | version="0.2"         | version "0.2" is not supported; supported versions: 0.1
            400 | /v1/pcs/submit | sent_at="2026-01-19"  | sent_at must be an RFC 3339 time like 2026-01-19T10:30:45Z
            400 | /v1/pcs/submit | ft={"degraded":1}     | ft degraded must be true or false
            400 | /v1/pcs/submit | epoch="x" sig=""      | epoch must be a 64-bit integer
            401 | /v1/pcs/submit | sig=""                | Signature verification failed
            401 | /v1/pcs/submit | sig=null              | Signature verification failed
            401 | /v1/pcs/submit | sig=7                 | Signature verification failed
            401 | /v1/pcs/submit | sig="no_base64!"      | Signature verification failed
            401 | /v1/pcs/submit | sig="AAAA"            | Signature verification failed
            401 | /v1/pcs/submit | r=0.800000001         | Signature verification failed
            401 | /v1/pcs/submit | version="9" sig=""    | Signature verification failed
            401 | /v1/pcs/submit | regime=7 sig=""       | Signature verification failed
            401 | /v1/pcs/submit | epoch=-1 sig="AAAA"   | Signature verification failed
            401 | /v1/pcs/submit | shard_id="" sig=""    | Signature verification failed
            401 | /v1/pcs/submit | merkle_root="" sig="" | Signature verification failed
            401 | /v1/pcs/submit | sent_at="2999-01-01T00:00:00Z" sig="" | Signature verification failed
            413 | /v1/pcs/submit | LONG 1048577          | body over 1048576 bytes
            413 | /v1/pcs/submit | LONG 20971520         | body over 1048576 bytes
            413 | /v1/pcs/batch  | LINES                 | batch over 1000 lines
            400 | /v1/pcs/x      |                       | pcs_id is not 8 to 64 lower-case hex digits
            400 | /v1/pcs/ABABABABABABABAB |             | pcs_id is not 8 to 64 lower-case hex digits
            404 | /v1/pcs/       |                       | not found
            404 | /metrics/x     |                       | not found
            """)
    void refusedRequest_isAnsweredWithTheReason_andNotDecided(
            int status, String path, @Nullable String body, String error) throws Exception {
        Client client = backend.client();
        Pcs pcs = backend.next();
        Answer answer = body == null ? client.get(path) : client.post(path, refused(pcs, body));

        assertThat(answer.status()).as(answer.body()).isEqualTo(status);
        assertThat(answer.error()).isEqualTo(error);
        boolean isLong = error.startsWith("body over ");
        assertThat(answer.marks()).isEqualTo(isLong ? Map.of("connection", "close") : Map.of());
        assertThat(client.get("/v1/pcs/" + pcs.id()).status()).isEqualTo(404);
    }

    private static byte[] refused(Pcs pcs, String body) {
        if (body.startsWith("LONG ")) {
            return new byte[Integer.parseInt(body.substring("LONG ".length()))];
        }
        if (body.equals("LINES")) {
            return (pcs.json() + "\n{".repeat(1_000)).getBytes(UTF_8);
        }
        Pcs changed = pcs;
        for (String change : body.split(" ", -1)) {
            String[] sides = change.split("=", 2);
            changed = changed.tampered(sides[0], sides[1]);
        }
        return changed.bytes();
    }

    @Test
    void sentAtAheadOfTheBackend_is400WithBothClocks() throws Exception {
        Instant sentAt = Instant.now().plus(Duration.ofMinutes(6));
        Answer answer = backend.client().submit(backend.next().with("sent_at", "\"" + sentAt + "\""));
        assertThat(answer.status()).isEqualTo(400);
        assertThat(answer.error())
                .matches("timestamp in future: sent_at=" + sentAt + ", now=20[^ ]+Z, ahead=(5m5[0-9.]+|6m)[0-9.]*s?");
    }

    @Test
    void keys_anyOfTheAlgorithm_areAccepted_andTheLogNamesThem() throws Exception {
        Pcs current = backend.next();
        Pcs retired = backend.next().signedBy("retired");
        assertThat(backend.client().submit(current).status()).isEqualTo(200);
        assertThat(backend.client().submit(retired).status()).isEqualTo(200);
        assertThat(backend.log().entries())
                .filteredOn(entry -> List.of(current.json(), retired.json()).contains(entry.body()))
                .extracting(LogFiles.Entry::keyId)
                .hasSize(2)
                .doesNotHaveDuplicates()
                .noneMatch(keyId -> keyId.contains(Pcs.KEY) || keyId.contains("retired"));

        assertThat(ed25519.client().submit(current).status()).isEqualTo(401);
        assertThat(backend.client().submit(backend.next().signedBy(SIGNER)).status())
                .isEqualTo(401);
        assertThat(ed25519.client().submit(current.signedBy(SIGNER)).status()).isEqualTo(200);
    }

    @Test
    void algorithmNone_warnsAtStartAndAcceptsUnsigned() throws Exception {
        try (ServedBackend open = BackendInJvm.start(directory, Map.of("PCS_SIGN_ALG", "none"))) {
            open.awaitLine(line -> line.contains("WARN") && line.contains("signatures are not checked"));
            Client client = new Client(open.url());
            assertThat(client.submit(Pcs.number(1).without("sig")).status()).isEqualTo(200);
            assertThat(client.submit(Pcs.number(1).tampered("sig", "\"\"")).marks())
                    .containsKey("x-flk-duplicate");
            assertThat(client.submit(Pcs.number(1).tampered("sig", "7")).error())
                    .isEqualTo("sig must be a string");
        }
    }

    @Test
    void certificate_withUnknownFields_ofAnyContentType_upToTheLimit_isAcceptedAndLoggedUnchanged() throws Exception {
        Pcs odd = backend.next()
                .with("x_note", "{\"nested\":[1,2.50,\"é\\u00e9\",null]}")
                .with("x_deep", "[".repeat(31) + "]".repeat(31))
                .with("x_fill", "\"\"");
        Pcs largest = odd.with("x_fill", "\"" + "x".repeat(MAX_BODY_BYTES - odd.bytes().length) + "\"");
        assertThat(backend.client().submit(largest).status()).isEqualTo(200);
        assertThat(backend.log().entries()).extracting(LogFiles.Entry::body).contains(largest.json());

        for (String type : List.of("application/x-www-form-urlencoded", "text/plain; charset=utf-16", "nonsense")) {
            Answer answer = backend.client()
                    .send(backend.client()
                            .request("/v1/pcs/submit")
                            .header("Content-Type", type)
                            .POST(BodyPublishers.ofByteArray(backend.next().bytes())));
            assertThat(answer.status()).as(type).isEqualTo(200);
        }
    }

    @Test
    void batch_badAndRepeatedLines_doNotAffectOthers_andAnswersAreInOrder() throws Exception {
        List<Pcs> many = Stream.generate(backend::next).limit(300).collect(Collectors.toList());
        Collections.reverse(many);
        Pcs pcs = backend.next();
        Pcs escalated = backend.next().with("ft", "{\"degraded\":true}");
        String outcome = accepted(pcs);
        String open = outcome.substring(0, outcome.length() - 1);

        List<String> answers = lines(
                backend.client(),
                Stream.concat(
                        Stream.of(
                                "{",
                                pcs.json(),
                                backend.next().tampered("r", "0.9").json(),
                                escalated.json(),
                                pcs.with("regime", "\"sticky\"").json(),
                                pcs.with("attempt", "7").json()),
                        many.stream().map(Pcs::json)));

        assertThat(answers.get(3))
                .startsWith("{\"status\":202,\"body\":{\"pcs_id\":\"" + escalated.id() + "\",\"accepted\":true,")
                .endsWith(",\"reason\":\"degraded: no fallback named\",\"policy\":\"d42d87fe4a98\"}}");
        assertThat(answers)
                .startsWith(
                        "{\"status\":400,\"body\":{\"error\":\"malformed JSON: ends too early\"}}",
                        outcome,
                        "{\"status\":401,\"body\":{\"error\":\"Signature verification failed\"}}",
                        answers.get(3),
                        open + ",\"duplicate\":true,\"conflict\":true}",
                        open + ",\"duplicate\":true}")
                .endsWith(many.stream().map(ContractIT::accepted).toArray(String[]::new));
        assertThat(backend.log().kindsOf(pcs.id().toString())).containsExactlyInAnyOrder('s', 'e');
    }

    @Test
    void batch_largestAllowed_isAccepted() throws Exception {
        Pcs pcs = backend.next();
        String last = "\n" + pcs.json();
        String fill = ("\"" + "x".repeat(MAX_BODY_BYTES - 3) + "\"\n").repeat(8);
        assertThat(lines(backend.client(), Stream.of(fill.substring(0, MAX_BATCH_BYTES - last.length()) + last)))
                .hasSize(9)
                .endsWith(accepted(pcs));
    }

    @Test
    void rateLimit_eachLineCostsAToken_andTheRestIs429BeforeItIsParsed() throws Exception {
        try (ServedBackend limited = BackendInJvm.start(directory, Map.of("TOKEN_RATE", "0.001", "TOKEN_BURST", "3"))) {
            Client client = Client.comparing(limited.url());
            Pcs first = Pcs.number(1);
            Pcs second = Pcs.number(2);
            List<String> answers = lines(
                    client,
                    Stream.of(
                            first.json(),
                            second.json(),
                            first.json(),
                            "{",
                            Pcs.number(3).json()));
            assertThat(answers.subList(0, 2)).containsExactly(accepted(first), accepted(second));
            assertThat(answers.get(2)).contains("\"duplicate\":true");
            assertThat(answers.subList(3, 5)).allMatch(line -> line.matches(TOO_MANY));

            Answer answer = client.submit("{".getBytes(UTF_8));
            assertThat(answer.status()).isEqualTo(429);
            assertThat(answer.error()).isEqualTo("Too many requests");
            assertThat(Long.parseLong(answer.header("Retry-After"))).isBetween(900L, 1_000L);
            assertThat(client.get("/health").status()).isEqualTo(200);
            assertThat(client.get("/v1/pcs/" + first.id()).status()).isEqualTo(200);
            assertThat(client.metric("flk_rate_limited_total")).isEqualTo(3);
            assertThat(client.metric("flk_ingest_total")).isEqualTo(3);
        }
    }

    @Test
    void memoryStore_full_is503OverloadedAndDuplicatesAreAnswered() throws Exception {
        Map<String, String> small = Map.of("DEDUP_BACKEND", "memory", "MEMORY_MAX_ENTRIES", "1");
        try (ServedBackend full = BackendInJvm.start(directory, small)) {
            Client client = Client.comparing(full.url());
            assertThat(client.submit(Pcs.number(1)).status()).isEqualTo(200);
            Answer answer = client.submit(Pcs.number(2));
            assertThat(answer.status()).isEqualTo(503);
            assertThat(answer.error()).isEqualTo("overloaded");
            assertThat(Long.parseLong(answer.header("Retry-After"))).isPositive();
            assertThat(client.submit(Pcs.number(1)).marks()).containsKey("x-flk-duplicate");
            assertThat(LogFiles.inbox(directory.resolve("data/wal")).entries()).hasSize(1);
        }
    }

    @Test
    void readyz_whenReady_hasALinePerComponent() throws Exception {
        Answer answer = backend.client().get("/readyz");
        assertThat(answer.status()).isEqualTo(200);
        assertThat(answer.body().replaceAll("\"detail\":\"[^\"]*\"", "\"detail\":\"…\""))
                .isEqualTo("""
                        {"ready":true,"components":[
                        {"name":"log","ready":true,"detail":"…"},
                        {"name":"dedup","ready":true,"detail":"…"}
                        ]}
                        """);
    }

    @Test
    void lookUp_rejected_isTheStoredBodyWith200() throws Exception {
        Pcs pcs = backend.next().with("r", "2");
        Answer submitted = backend.client().submit(pcs);
        Answer answer = backend.client().get("/v1/pcs/" + pcs.id());
        assertThat(submitted.status()).isEqualTo(202);
        assertThat(answer.status()).isEqualTo(200);
        assertThat(answer.body()).isEqualTo(submitted.body());
    }

    private static List<String> lines(Client client, Stream<String> sent) throws Exception {
        Answer answer = client.batch(sent.collect(Collectors.joining("\n")));
        assertThat(answer.status()).as(answer.body()).isEqualTo(200);
        assertThat(answer.header("Content-Type")).isEqualTo("application/x-ndjson");
        assertThat(answer.body()).endsWith("}\n");
        return answer.body().lines().toList();
    }

    /** Returns the answer line for a sample certificate that is decided for the first time. */
    private static String accepted(Pcs pcs) {
        return "{\"status\":200,\"body\":{\"pcs_id\":\"" + pcs.id() + "\",\"accepted\":true,\"escalated\":false,"
                + "\"D_hat\":1.0,\"recomputed_D_hat\":1.0,\"recomputed_budget\":0.26,\"regime\":\"mixed\","
                + "\"policy\":\"d42d87fe4a98\"}}";
    }
}
