// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import static dev.flk.diagnosis.WronglySigned.CANONICAL;
import static dev.flk.diagnosis.WronglySigned.SECRET;
import static dev.flk.diagnosis.WronglySigned.diagnose;
import static dev.flk.diagnosis.WronglySigned.diagnoseHmac;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.JsonValue;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.sample.Pcs;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.SignatureCheck;
import dev.flk.signing.SuspectKey;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;

class DiagnosisTextTest {
    private static final String NOT_ROUNDED = CANONICAL
            .replace("0.123456788", "0.1234567885")
            .replace("1.2346e-05", "1.234567891e-05")
            .replace("1.23456789,", "1.23456789012345,");

    @Test
    void explained_showsCauseAdviceBothTextsAndWhereTheyPart() throws MalformedCertificate {
        String text = DiagnosisText.of(diagnoseHmac(NOT_ROUNDED));

        assertThat(text)
                .isEqualTo("""
                        signature bad, and it was found out why

                        rounding       The reals were not rounded before they were signed.
                                       Round D_hat, budget, coh_star and r to 9 decimals, on the exact
                                       value of the double, ties to even: round(float(x), 9) in Python.

                        should have been signed, 282 bytes:
                            {"D_hat":1.23456789,"budget":0.123456788,"coh_star":1.0,"epoch":7,"merkle_ro
                            ot":"5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a","pcs_
                            id":"1e42f467ce0381bff2c8a19b8940553f00ef4230640d1002e85b39950162f394","r":1
                            .2346e-05,"shard_id":"Z\\u00fcrich/1 <&> \\ud83c\\udf0b"}
                        was signed, 294 bytes:
                            {"D_hat":1.23456789012345,"budget":0.1234567885,"coh_star":1.0,"epoch":7,"me
                            rkle_root":"5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a
                            ","pcs_id":"1e42f467ce0381bff2c8a19b8940553f00ef4230640d1002e85b39950162f394
                            ","r":1.234567891e-05,"shard_id":"Z\\u00fcrich/1 <&> \\ud83c\\udf0b"}
                        the first difference is at byte 19

                        key KEY, found with 7 combinations
                        """.replace("KEY", new HmacSigner(SECRET).keyId().text()));
    }

    @Test
    void everyKind_fitsATerminal() throws MalformedCertificate {
        SignatureCheck check = SignatureCheck.hmac(List.of(SECRET));
        NamedKey old = new NamedKey(
                "/a/path/that/is/so/long/that/no/terminal/of/any/sensible/size/could/ever/have/it/in/a/line/old.key",
                SuspectKey.secret("old"));
        List<Diagnosis> all = List.of(
                diagnoseHmac(CANONICAL),
                diagnoseHmac(NOT_ROUNDED + "\n"),
                diagnoseHmac("something else"),
                diagnose(new HmacSigner("old").sign(WronglySigned.utf8(CANONICAL)), check, old),
                diagnose("", check),
                diagnose("%%", check),
                diagnose("", SignatureCheck.none()));

        for (Diagnosis diagnosis : all) {
            assertThat(DiagnosisText.of(diagnosis))
                    .startsWith("signature ")
                    .endsWith("\n")
                    .doesNotContain(SECRET)
                    .satisfies(text -> assertThat(text.lines())
                            .allSatisfy(line -> assertThat(line.length()).isLessThanOrEqualTo(80)));
        }
    }

    @Test
    void textThatSpeaksToTerminals_isShownAsEscapes() throws MalformedCertificate {
        Pcs pcs = Pcs.number(1).ofShard("a\u202eb\u0085c");
        byte[] signed = TextWriter.write(
                JsonValue.parse(pcs.bytes()),
                new TextForm(
                        TextForm.Scope.SIGNED_FIELDS,
                        TextForm.Order.SORTED,
                        TextForm.Spacing.NONE,
                        TextForm.End.LINE_FEED,
                        StringForm.UTF_8,
                        TextForm.CANONICAL.numbers()));
        byte[] body = pcs.tampered("sig", '"' + new HmacSigner(SECRET).sign(signed) + '"')
                .bytes();

        String text = DiagnosisText.of(new SignatureDiagnosis(SignatureCheck.hmac(List.of(SECRET)), List.of())
                .of(body, CertificateReader.parse(body)));

        assertThat(text).contains("a\\u{202e}b\\u{85}c\"}\\n").doesNotContain("\u202e", "\u0085");
    }

    @Test
    void json_ofAllKinds_hasTheVerdictAndWhatBelongsToIt() throws Exception {
        SignatureCheck check = SignatureCheck.hmac(List.of(SECRET));

        assertThat(json(diagnoseHmac(CANONICAL)))
                .isEqualTo(tree("{\"verdict\":\"good\",\"key_id\":\"" + new HmacSigner(SECRET).keyId() + "\"}"));
        assertThat(json(diagnose("", check))).isEqualTo(tree("{\"verdict\":\"missing\"}"));
        assertThat(json(diagnose("", SignatureCheck.none()))).isEqualTo(tree("{\"verdict\":\"not checked\"}"));
        assertThat(json(diagnose("%", check)).get("verdict").textValue()).isEqualTo("unreadable");
        JsonNode unexplained = json(diagnoseHmac("something else"));
        assertThat(unexplained.get("verdict").textValue()).isEqualTo("unexplained");
        assertThat(unexplained.get("complete").booleanValue()).isTrue();
        JsonNode explained = json(diagnoseHmac(NOT_ROUNDED + "\n"));
        assertThat(explained.get("verdict").textValue()).isEqualTo("explained");
        assertThat(explained.get("differences"))
                .extracting(difference -> difference.get("cause").textValue())
                .containsExactly("rounding", "serialisation");
        assertThat(explained.get("differences").get(0).get("advice").textValue())
                .startsWith("Round ");
        assertThat(explained.get("should_be_signed").textValue()).isEqualTo(CANONICAL);
        assertThat(explained.get("was_signed").textValue()).isEqualTo(NOT_ROUNDED + "\n");
        assertThat(explained.get("combinations").longValue()).isPositive();
    }

    private static JsonNode json(Diagnosis diagnosis) throws IOException {
        String json = DiagnosisJson.of(diagnosis);
        assertThat(json).isASCII().doesNotContain("\n");
        return tree(json);
    }

    private static JsonNode tree(String json) throws IOException {
        return new ObjectMapper().readTree(json);
    }
}
