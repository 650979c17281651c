// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing.message;

import static dev.flk.signing.message.SentRequest.CREATED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.flk.signing.Ed25519Signer;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.SignatureCheck;
import dev.flk.signing.SigningAlgorithm;
import dev.flk.signing.SigningKey;
import dev.flk.signing.message.UnacceptableRequest.Reason;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Requests that are signed and accepted, and one request for each way to be refused. */
class SignedRequestTest {
    private static final String SECRET = "a secret of the test, long enough";
    private static final HmacSigner HMAC = new HmacSigner(SECRET);
    private static final Ed25519Signer ED25519 = new Ed25519Signer(new byte[32]);
    private static final SignatureCheck HMAC_CHECK = SignatureCheck.hmac(List.of("another", SECRET));
    private static final SignatureCheck ED25519_CHECK = SignatureCheck.ed25519(List.of(
            Ed25519Signer.ofBase64("n4Ni+HpISpVObnQMW0wOhCKROaIKqKtW/2ZYb2p9KcU=")
                    .publicKeyBase64(),
            ED25519.publicKeyBase64()));

    private static final SentRequest GET = SentRequest.of("GET", "/v1/sessions/plant-7");
    private static final SentRequest PUT = SentRequest.of("PUT", "/v1/sessions/plant-7/line%202?wait=5&to=%2F")
            .with("if-match", "\"6\"")
            .withBody("{\"revision\": 7}\n");

    private static UnacceptableRequest refusal(SentRequest request) {
        UnacceptableRequest refusal = catchThrowableOfType(UnacceptableRequest.class, request::parse);
        assertThat(refusal).as("refusal of %s", request).isNotNull();
        assertThat(refusal).message().matches("[A-Z][ -~]*\\.");
        return refusal;
    }

    @Test
    void sign_thenVerify_accepts() throws Exception {
        for (SentRequest request :
                List.of(GET, PUT, GET.with("last-event-id", "41").with("x", ""))) {
            SignedRequest hmac = request.signedBy(HMAC).parse();
            assertThat(hmac.verifiedBy(HMAC_CHECK)).isTrue();
            assertThat(hmac.verifiedBy(ED25519_CHECK)).isFalse();
            assertThat(hmac.algorithm()).isEqualTo(SigningAlgorithm.HMAC);
            assertThat(hmac.keyId()).isEqualTo(HMAC.keyId());

            SignedRequest ed25519 = request.signedBy(ED25519).parse();
            assertThat(ed25519.verifiedBy(ED25519_CHECK)).isTrue();
            assertThat(ed25519.verifiedBy(HMAC_CHECK)).isFalse();
            assertThat(ed25519.algorithm()).isEqualTo(SigningAlgorithm.ED25519);
            assertThat(ed25519.keyId()).isEqualTo(ED25519.keyId());

            assertThat(ed25519.created()).isEqualTo(CREATED);
            assertThat(ed25519.nonce()).isEqualTo(SentRequest.NONCE);
        }
    }

    @Test
    void verifiedBy_otherKeyOrNone_refuses() throws Exception {
        SignedRequest request = PUT.signedBy(HMAC).parse();

        assertThat(request.verifiedBy(SignatureCheck.hmac(List.of("another")))).isFalse();
        assertThat(request.verifiedBy(SignatureCheck.none())).isFalse();
    }

    @Test
    void verifiedBy_theIdOfAnotherConfiguredKey_refuses() throws Exception {
        SigningKey other = new HmacSigner("another");
        SentRequest signed = GET.signedBy(HMAC);
        String input = signed.header("signature-input")
                .replace(HMAC.keyId().text(), other.keyId().text());
        String base = "\"@method\": GET\n\"@path\": /v1/sessions/plant-7\n\"@signature-params\": "
                + input.substring(input.indexOf('('));
        String signature = HMAC.signMessage(base.getBytes(StandardCharsets.US_ASCII));

        assertThat(signed.with("signature-input", input)
                        .with("signature", "sig1=:" + signature + ":")
                        .parse()
                        .verifiedBy(HMAC_CHECK))
                .isFalse();
    }

    @Test
    void isFresh_withinTheToleranceAndNotExpired() throws Exception {
        Duration tolerance = Duration.ofMinutes(5);
        SignedRequest request = GET.signedBy(HMAC).parse();
        assertThat(request.isFresh(CREATED.plus(tolerance), tolerance)).isTrue();
        assertThat(request.isFresh(CREATED.minus(tolerance), tolerance)).isTrue();
        assertThat(request.isFresh(CREATED.plus(tolerance).plusMillis(1), tolerance))
                .isFalse();
        assertThat(request.isFresh(CREATED.minus(tolerance).minusMillis(1), tolerance))
                .isFalse();

        SignedRequest expiring =
                signed(";created=1795000000;expires=1795000060" + REST).parse();
        assertThat(expiring.isFresh(CREATED.plusSeconds(60), tolerance)).isTrue();
        assertThat(expiring.isFresh(CREATED.plusSeconds(60).plusMillis(1), tolerance))
                .isFalse();

        SignedRequest farFuture = signed(";created=999999999999999" + REST).parse();
        assertThat(farFuture.isFresh(CREATED, tolerance)).isFalse();
    }

    private static final String REST = ";keyid=\"01234567\";nonce=\"n\"";
    private static final String LIST = "(\"@method\" \"@path\")";

    /** A signature of HMAC that no key made, which does not matter for parsing. */
    private static final String HMAC_SIGNATURE = ":" + "A".repeat(43) + "=:";

    private static final String ED25519_SIGNATURE = ":" + "A".repeat(86) + "==:";

    /** Returns a request with these parameters and a signature that no key made. */
    private static SentRequest signed(String parameters) {
        return GET.with("signature-input", "a=" + LIST + parameters).with("signature", "a=" + HMAC_SIGNATURE);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            a=("@method" "@path");created=1;keyid="01234567";nonce="n"                       | hmac
            *a.b_c-9=("@path" "@method");nonce=" !#[]~;,()";keyid="01234567";created=0       | hmac
            a=("@method" "@path" "@authority" "host");expires=1;created=1;keyid="89abcdef";nonce="n" | hmac
            a=("@method" "@path");alg="hmac-sha256";created=1;keyid="01234567";nonce="n"     | hmac
            a=("@method" "@path");created=1;keyid="01234567";nonce="n";alg="ed25519"         | ed25519
            a=("@method" "@path");created=999999999999999;keyid="01234567";nonce="n"         | ed25519
            """)
    void parse_everyFormOfTheProfile_accepts(String input, String algorithm) throws Exception {
        String label = input.substring(0, input.indexOf('='));
        String signature = algorithm.equals("hmac") ? HMAC_SIGNATURE : ED25519_SIGNATURE;

        assertThat(GET.with("host", "Backend:8080")
                        .with("signature-input", " " + input + " ")
                        .with("signature", label + "=" + signature)
                        .parse()
                        .algorithm()
                        .configName())
                .isEqualTo(algorithm);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            ``                                                                                | MALFORMED
            a                                                                                 | MALFORMED
            a=1                                                                               | MALFORMED
            A=("@method" "@path");created=1;keyid="01234567";nonce="n"                        | MALFORMED
            b=("@method" "@path");created=1;keyid="01234567";nonce="n"                        | MALFORMED
            a= ("@method" "@path");created=1;keyid="01234567";nonce="n"                       | MALFORMED
            a=("@method" "@path";created=1;keyid="01234567";nonce="n"                         | MALFORMED
            a=("@method"  "@path");created=1;keyid="01234567";nonce="n"                       | MALFORMED
            a=( "@method" "@path");created=1;keyid="01234567";nonce="n"                       | MALFORMED
            a=("@method" "@path" );created=1;keyid="01234567";nonce="n"                       | MALFORMED
            a=("@method""@path");created=1;keyid="01234567";nonce="n"                         | MALFORMED
            a=("@method","@path");created=1;keyid="01234567";nonce="n"                        | MALFORMED
            a=(@method @path);created=1;keyid="01234567";nonce="n"                            | MALFORMED
            a=("@method" "@path" "");created=1;keyid="01234567";nonce="n"                     | MALFORMED
            a=("@method" "@path" "Host");created=1;keyid="01234567";nonce="n"                 | MALFORMED
            a=("@method" "@path" "a b");created=1;keyid="01234567";nonce="n"                  | MALFORMED
            a=("@method" "@path" "@path");created=1;keyid="01234567";nonce="n"                | MALFORMED
            a=("@method" "@path" "host" "host");created=1;keyid="01234567";nonce="n"          | MALFORMED
            a=("@method" "@path"), b=("@method");created=1;keyid="01234567";nonce="n"         | MALFORMED
            a=("@method" "@path");created=1;keyid="01234567";nonce="n",b=()                   | MALFORMED
            a=("@method" "@path");created=1;keyid="01234567";nonce="n" x                      | MALFORMED
            a=("@method" "@path");created=1;keyid="01234567";nonce="n";                       | MALFORMED
            a=("@method" "@path"); created=1;keyid="01234567";nonce="n"                       | MALFORMED
            a=("@method" "@path");created = 1;keyid="01234567";nonce="n"                      | MALFORMED
            a=("@method" "@path");created;keyid="01234567";nonce="n"                          | MALFORMED
            a=("@method" "@path");created="1";keyid="01234567";nonce="n"                      | MALFORMED
            a=("@method" "@path");created=01;keyid="01234567";nonce="n"                       | MALFORMED
            a=("@method" "@path");created=-1;keyid="01234567";nonce="n"                       | MALFORMED
            a=("@method" "@path");created=1.5;keyid="01234567";nonce="n"                      | MALFORMED
            a=("@method" "@path");created=1000000000000000;keyid="01234567";nonce="n"         | MALFORMED
            a=("@method" "@path");created=1;created=1;keyid="01234567";nonce="n"              | MALFORMED
            a=("@method" "@path");created=1;expires="1";keyid="01234567";nonce="n"            | MALFORMED
            a=("@method" "@path");created=1;keyid=01234567;nonce="n"                          | MALFORMED
            a=("@method" "@path");created=1;keyid="";nonce="n"                                | MALFORMED
            a=("@method" "@path");created=1;keyid="none";nonce="n"                            | MALFORMED
            a=("@method" "@path");created=1;keyid="0123456G";nonce="n"                        | MALFORMED
            a=("@method" "@path");created=1;keyid="012345678";nonce="n"                       | MALFORMED
            a=("@method" "@path");created=1;keyid="01234567";nonce="\\"                        | MALFORMED
            a=("@method" "@path");created=1;keyid="01234567";nonce="\\""                       | MALFORMED
            a=("@method" "@path");created=1;keyid="01234567";nonce=n                          | MALFORMED
            a=("@method" "@path");created=1;keyid="01234567";nonce=""                         | MALFORMED
            a=("@method" "@path");created=1;keyid="01234567";nonce="n";alg=ed25519            | MALFORMED
            a=("@method" "@path");created=1;keyid="01234567"                                  | MALFORMED
            a=("@method" "@path");created=1;nonce="n"                                         | MALFORMED
            a=("@method" "@path");keyid="01234567";nonce="n"                                  | MALFORMED
            a=("@method" "@path");created=1;keyid="01234567";nonce="n";tag="t"                | UNSUPPORTED
            a=("@method" "@path");created=1;keyid="01234567";nonce="n";x=1                    | UNSUPPORTED
            a=("@method" "@path" "host";sf);created=1;keyid="01234567";nonce="n"              | UNSUPPORTED
            a=("@method" "@path" "host";bs);created=1;keyid="01234567";nonce="n"              | UNSUPPORTED
            a=("@method" "@path" "host";tr);created=1;keyid="01234567";nonce="n"              | UNSUPPORTED
            a=("@method" "@path" "host";key="a");created=1;keyid="01234567";nonce="n"         | UNSUPPORTED
            a=("@method";req "@path");created=1;keyid="01234567";nonce="n"                    | UNSUPPORTED
            a=("@method" "@path" "@target-uri");created=1;keyid="01234567";nonce="n"          | UNSUPPORTED
            a=("@method" "@path" "@request-target");created=1;keyid="01234567";nonce="n"      | UNSUPPORTED
            a=("@method" "@path" "@scheme");created=1;keyid="01234567";nonce="n"              | UNSUPPORTED
            a=("@method" "@path" "@status");created=1;keyid="01234567";nonce="n"              | UNSUPPORTED
            a=("@method" "@path" "@query-param");created=1;keyid="01234567";nonce="n"         | UNSUPPORTED
            a=("@method" "@path" "@signature-params");created=1;keyid="01234567";nonce="n"    | UNSUPPORTED
            a=();created=1;keyid="01234567";nonce="n"                                         | NOT_COVERED
            a=("@path");created=1;keyid="01234567";nonce="n"                                  | NOT_COVERED
            a=("@method");created=1;keyid="01234567";nonce="n"                                | NOT_COVERED
            a=("@method" "@path" "@query");created=1;keyid="01234567";nonce="n"               | COMPONENT_MISSING
            a=("@method" "@path" "content-digest");created=1;keyid="01234567";nonce="n"       | COMPONENT_MISSING
            a=("@method" "@path" "if-match");created=1;keyid="01234567";nonce="n"             | COMPONENT_MISSING
            a=("@method" "@path");created=1;keyid="01234567";nonce="n";alg="ed25519"          | OTHER_ALGORITHM
            a=("@method" "@path");created=1;keyid="01234567";nonce="n";alg="HMAC-SHA256"      | OTHER_ALGORITHM
            a=("@method" "@path");created=1;keyid="01234567";nonce="n";alg=""                 | OTHER_ALGORITHM
            """)
    void parse_signatureInputOutsideTheProfile_isRefused(String input, Reason reason) {
        SentRequest request = signed("").with("host", "backend").with("signature-input", input);

        assertThat(refusal(request).reason()).isEqualTo(reason);
    }

    static Stream<Arguments> refusedChanges() {
        return Stream.of(
                change("no signature", Reason.MISSING, r -> r.without("signature")),
                change("no signature input", Reason.MISSING, r -> r.without("signature-input")),
                change("two signatures", Reason.MALFORMED, r -> again(r, "signature")),
                change("two inputs", Reason.MALFORMED, r -> again(r, "signature-input")),
                change("two digests", Reason.MALFORMED, r -> again(r, "content-digest")),
                change("if-match twice", Reason.MALFORMED, r -> again(r, "if-match")),
                change(
                        "a signature of a second label",
                        Reason.MALFORMED,
                        r -> r.with("signature", r.header("signature") + ", b=:AAAA:")),
                change(
                        "a parameter of the signature",
                        Reason.MALFORMED,
                        r -> r.with("signature", r.header("signature") + ";x")),
                change(
                        "another label",
                        Reason.MALFORMED,
                        r -> r.with("signature", r.header("signature").replace("sig1", "sig2"))),
                change(
                        "a signature in another alphabet",
                        Reason.MALFORMED,
                        r -> r.with("signature", "sig1=:" + "_".repeat(43) + "=:")),
                change("a token as signature", Reason.MALFORMED, r -> r.with("signature", "sig1=abc")),
                change("a short signature", Reason.OTHER_ALGORITHM, r -> r.with("signature", "sig1=:AAAA:")),
                change(
                        "a long signature",
                        Reason.OTHER_ALGORITHM,
                        r -> r.with("signature", "sig1=:" + "A".repeat(342) + "==:")),
                change("a header beyond ASCII", Reason.MALFORMED, r -> r.with("if-match", "\"\u00e4\"")),
                change("a header with a line feed", Reason.MALFORMED, r -> r.with("if-match", "\"6\"\n")),
                change("a header with a tab", Reason.MALFORMED, r -> r.with("if-match", "\"6\t\"")),
                change("a long header", Reason.MALFORMED, r -> r.with("if-match", "6".repeat(4097))),
                change(
                        "a long input",
                        Reason.MALFORMED,
                        r -> r.with("signature-input", r.header("signature-input") + "x".repeat(4096))),
                change("no if-match", Reason.COMPONENT_MISSING, r -> r.without("if-match")),
                change("no digest", Reason.COMPONENT_MISSING, r -> r.without("content-digest")),
                change("if-none-match", Reason.NOT_COVERED, r -> r.with("if-none-match", "*")),
                change("last-event-id", Reason.NOT_COVERED, r -> r.with("last-event-id", "1")),
                change("no query", Reason.COMPONENT_MISSING, r -> r.withTarget("/v1/sessions/plant-7/line%202")),
                change("another body", Reason.DIGEST_MISMATCH, r -> r.withBody("{\"revision\": 8}\n")),
                change("no body", Reason.DIGEST_MISMATCH, r -> r.withBody("")),
                change(
                        "another digest",
                        Reason.DIGEST_MISMATCH,
                        r -> r.with("content-digest", BodyDigest.of(new byte[0]))),
                change("an absolute target", Reason.MALFORMED, r -> r.withTarget("http://h" + r.target())),
                change("an asterisk", Reason.MALFORMED, r -> r.withTarget("*")),
                change("an empty target", Reason.MALFORMED, r -> r.withTarget("")),
                change("a fragment", Reason.MALFORMED, r -> r.withTarget(r.target() + "#x")),
                change("a space in the target", Reason.MALFORMED, r -> r.withTarget(r.target() + " ")),
                change("a target beyond ASCII", Reason.MALFORMED, r -> r.withTarget(r.target() + "\u00e4")),
                change("a line feed in the target", Reason.MALFORMED, r -> r.withTarget(r.target() + "\n")),
                change("a long target", Reason.MALFORMED, r -> r.withTarget("/" + "x".repeat(4096))),
                change("an empty method", Reason.MALFORMED, r -> r.withMethod("")),
                change("a line feed in the method", Reason.MALFORMED, r -> r.withMethod("PUT\n")));
    }

    private static Arguments change(String name, Reason reason, UnaryOperator<SentRequest> change) {
        return Arguments.of(name, reason, change);
    }

    private static SentRequest again(SentRequest request, String name) {
        return request.with(name, request.header(name), request.header(name));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("refusedChanges")
    void parse_changedAfterSigning_isRefused(String name, Reason reason, UnaryOperator<SentRequest> change) {
        assertThat(refusal(change.apply(PUT.signedBy(HMAC))).reason()).as(name).isEqualTo(reason);
    }

    @Test
    void parse_somethingAddedToARequestWithoutIt_isNotCovered() {
        SentRequest get = GET.signedBy(ED25519);
        for (SentRequest changed : List.of(
                get.withBody("x"),
                get.withTarget(get.target() + "?"),
                get.withTarget(get.target() + "?wait=5"),
                get.with("content-digest", BodyDigest.of(new byte[0])),
                get.with("if-match", ""))) {
            assertThat(refusal(changed).reason()).isEqualTo(Reason.NOT_COVERED);
        }
    }

    @Test
    void parse_digestOfNoBody_isChecked() throws Exception {
        SentRequest delete = SentRequest.of("DELETE", "/v1/sessions/a");

        assertThat(delete.with("content-digest", BodyDigest.of(new byte[0]))
                        .signedBy(HMAC)
                        .parse()
                        .verifiedBy(HMAC_CHECK))
                .isTrue();
        assertThat(refusal(delete.with("content-digest", BodyDigest.of(new byte[1]))
                                .signedBy(HMAC))
                        .reason())
                .isEqualTo(Reason.DIGEST_MISMATCH);
    }

    @Test
    void refusal_quotesNoValue() {
        String value = "hunter2";
        for (SentRequest request : List.of(
                signed(";created=1;keyid=\"" + value + "\";nonce=\"n\""),
                signed(";created=1;nonce=\"n\";" + value + "=1"),
                signed(";" + value),
                signed(";created=1" + REST).with("signature", value),
                signed(";created=1" + REST).withTarget(value))) {
            assertThat(refusal(request)).hasMessageNotContaining(value);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "\"",
                "\\",
                "\u00e4",
                "n\n",
                "12345678901234567890123456789012345678901234567890123456789012345"
            })
    void sign_nonceThatIsNotAccepted_isRefused(String nonce) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> GET.signedBy(HMAC, CREATED, nonce))
                .withMessageContaining("Signature-Input");
    }

    @Test
    void sign_otherArgumentsThatAreNotAccepted_areRefused() {
        for (SentRequest request : List.of(
                GET.withTarget("v1"), GET.withMethod("a b"), GET.with("if-match", "\n"), GET.with("a b", "1"))) {
            assertThatIllegalArgumentException().isThrownBy(() -> request.signedBy(HMAC));
        }
        assertThatIllegalArgumentException().isThrownBy(() -> GET.signedBy(HMAC, Instant.MIN, "n"));
    }

    @Test
    void sign_namesInUpperCase_areCoveredInLowerCase() {
        Map<String, String> signed =
                MessageSigner.of(HMAC).sign("GET", "/", Map.of("If-Match", "*", "X-A", "b"), new byte[0], CREATED, "n");

        assertThat(signed).containsOnlyKeys("Signature-Input", "Signature");
        assertThat(signed.get("Signature-Input")).startsWith("sig1=(\"@method\" \"@path\" \"if-match\" \"x-a\");");
    }
}
