// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import static dev.flk.diagnosis.WronglySigned.CANONICAL;
import static dev.flk.diagnosis.WronglySigned.diagnoseHmac;
import static dev.flk.diagnosis.WronglySigned.text;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import dev.flk.canonical.CanonicalForm;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.JsonValue;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.sample.Pcs;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.SignatureCheck;
import java.nio.charset.StandardCharsets;
import java.util.EnumSet;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What was signed was the wrong text, with the right key: each text is as another program prints it. */
class WrongTextTest {
    private static final String SORTED_HEAD = "{'D_hat':1.23456789,'budget':0.123456788,'coh_star':1.0,'epoch':7,";
    private static final String SORTED_TAIL = "'merkle_root':ROOT,'pcs_id':ID,'r':1.2346e-05,";
    private static final String SHARD = "'shard_id':'Z\\u00fcrich/1 <&> \\ud83c\\udf0b'}";

    static Stream<Arguments> texts() {
        return Stream.of(
                Arguments.of(
                        "Python, not rounded",
                        "{'D_hat':1.23456789012345,'budget':0.1234567885,'coh_star':1.0,'epoch':7,"
                                + "'merkle_root':ROOT,'pcs_id':ID,'r':1.234567891e-05," + SHARD,
                        List.of("The reals were not rounded")),
                Arguments.of(
                        "Python, 6 decimals",
                        "{'D_hat':1.234568,'budget':0.123457,'coh_star':1.0,'epoch':7,"
                                + "'merkle_root':ROOT,'pcs_id':ID,'r':1.2e-05," + SHARD,
                        List.of("The reals were rounded to 6 decimals")),
                Arguments.of(
                        "decimal types, ties away from zero",
                        "{'D_hat':1.23456789,'budget':0.123456789,'coh_star':1.0,'epoch':7," + SORTED_TAIL + SHARD,
                        List.of("which rounds twice")),
                Arguments.of(
                        "Python, default separators",
                        "{'D_hat': 1.23456789, 'budget': 0.123456788, 'coh_star': 1.0, 'epoch': 7, "
                                + "'merkle_root': ROOT, 'pcs_id': ID, 'r': 1.2346e-05, "
                                + "'shard_id': 'Z\\u00fcrich/1 <&> \\ud83c\\udf0b'}",
                        List.of("A space follows each comma and colon")),
                Arguments.of(
                        "Python, not sorted",
                        "{'pcs_id':ID,'shard_id':'Z\\u00fcrich/1 <&> \\ud83c\\udf0b','epoch':7,'coh_star':1.0,"
                                + "'D_hat':1.23456789,'r':1.2346e-05,'budget':0.123456788,'merkle_root':ROOT}",
                        List.of("The fields stand in the order of the certificate")),
                Arguments.of(
                        "sorted without regard to case",
                        "{'budget':0.123456788,'coh_star':1.0,'D_hat':1.23456789,'epoch':7," + SORTED_TAIL + SHARD,
                        List.of("sorted as if D_hat were d_hat")),
                Arguments.of(
                        "Python, ensure_ascii=False",
                        SORTED_HEAD + SORTED_TAIL + "'shard_id':'Zürich/1 <&> 🌋'}",
                        List.of("in UTF-8 (ensure_ascii=False)")),
                Arguments.of(
                        "escapes in capitals",
                        SORTED_HEAD + SORTED_TAIL + "'shard_id':'Z\\u00FCrich/1 <&> \\uD83C\\uDF0B'}",
                        List.of("capital hex digits")),
                Arguments.of(
                        "Python, indent=2",
                        "{¶  'D_hat': 1.23456789,¶  'budget': 0.123456788,¶  'coh_star': 1.0,¶  'epoch': 7,¶"
                                + "  'merkle_root': ROOT,¶  'pcs_id': ID,¶  'r': 1.2346e-05,¶"
                                + "  'shard_id': 'Z\\u00fcrich/1 <&> \\ud83c\\udf0b'¶}",
                        List.of("indented")),
                Arguments.of("echo", CANONICAL + "\n", List.of("A line feed follows the text")),
                Arguments.of(
                        "Python without float()",
                        "{'D_hat':1.23456789,'budget':0.123456788,'coh_star':1,'epoch':7," + SORTED_TAIL + SHARD,
                        List.of("Python does without float()")),
                Arguments.of(
                        "Java, Double.toString",
                        SORTED_HEAD + "'merkle_root':ROOT,'pcs_id':ID,'r':1.2346E-5," + SHARD,
                        List.of("Java's Double.toString")),
                Arguments.of(
                        "C#, System.Text.Json",
                        "{'D_hat':1.23456789,'budget':0.123456788,'coh_star':1,'epoch':7,"
                                + "'merkle_root':ROOT,'pcs_id':ID,'r':1.2346E-05,"
                                + "'shard_id':'Z\\u00FCrich/1 \\u003C\\u0026\\u003E \\uD83C\\uDF0B'}",
                        List.of("System.Text.Json does", "C# does")),
                Arguments.of(
                        "PHP, json_encode",
                        "{'D_hat':1.23456789,'budget':0.123456788,'coh_star':1,'epoch':7,"
                                + "'merkle_root':ROOT,'pcs_id':ID,'r':1.2346e-5,"
                                + "'shard_id':'Z\\u00fcrich\\/1 <&> \\ud83c\\udf0b'}",
                        List.of("Slashes were escaped", "PHP does")),
                Arguments.of(
                        "Go, json.Marshal of a map",
                        "{'D_hat':1.23456789,'budget':0.123456788,'coh_star':1,'epoch':7,"
                                + "'merkle_root':ROOT,'pcs_id':ID,'r':0.000012346,"
                                + "'shard_id':'Zürich/1 \\u003c\\u0026\\u003e 🌋'}",
                        List.of("as Go's json.Marshal does", "JavaScript and Go do")),
                Arguments.of(
                        "C, %.9f",
                        "{'D_hat':1.234567890,'budget':0.123456788,'coh_star':1.000000000,'epoch':7,"
                                + "'merkle_root':ROOT,'pcs_id':ID,'r':0.000012346," + SHARD,
                        List.of("decimals of a fixed length")),
                Arguments.of(
                        "C, %.6f",
                        "{'D_hat':1.234568,'budget':0.123457,'coh_star':1.000000,'epoch':7,"
                                + "'merkle_root':ROOT,'pcs_id':ID,'r':0.000012," + SHARD,
                        List.of("rounded to 6 decimals", "decimals of a fixed length")),
                Arguments.of(
                        "Python, nothing but json.dumps",
                        "{'pcs_id': ID, 'shard_id': 'Z\\u00fcrich/1 <&> \\ud83c\\udf0b', 'epoch': 7, 'coh_star': 1,"
                                + " 'D_hat': 1.23456789012345, 'r': 1.234567891e-05, 'budget': 0.1234567885,"
                                + " 'merkle_root': ROOT}",
                        List.of(
                                "not rounded",
                                "order of the certificate",
                                "A space follows",
                                "Python does without float()")),
                Arguments.of(
                        "JavaScript, nothing but JSON.stringify",
                        "{'pcs_id':ID,'shard_id':'Zürich/1 <&> 🌋','epoch':7,'coh_star':1,'D_hat':1.23456789012345,"
                                + "'r':0.00001234567891,'budget':0.1234567885,'merkle_root':ROOT}",
                        List.of("not rounded", "order of the certificate", "in UTF-8", "JavaScript and Go do")),
                Arguments.of(
                        "JavaScript, sorted, Math.round(x * 1e9) / 1e9",
                        "{'D_hat':1.23456789,'budget':0.123456789,'coh_star':1,'epoch':7,"
                                + "'merkle_root':ROOT,'pcs_id':ID,'r':0.000012346,'shard_id':'Zürich/1 <&> 🌋'}",
                        List.of("multiplied by 1e9", "in UTF-8", "JavaScript and Go do")),
                Arguments.of(
                        "jq -S",
                        "{¶  'D_hat': 1.23456789012345,¶  'budget': 0.1234567885,¶  'coh_star': 1,¶"
                                + "  'epoch': 7,¶  'merkle_root': ROOT,¶  'pcs_id': ID,¶  'r': 1.234567891e-05,¶"
                                + "  'shard_id': 'Zürich/1 <&> 🌋'¶}¶",
                        List.of(
                                "not rounded",
                                "indented",
                                "A line feed follows",
                                "in UTF-8",
                                "Python does without float()")),
                Arguments.of(
                        "Python, the whole certificate",
                        "{'D_hat':1.23456789012345,'N_j':{'16':40,'2':5,'4':10,'8':20},'attempt':1,"
                                + "'budget':0.1234567885,'coh_star':1,'epoch':7,'merkle_root':ROOT,'pcs_id':ID,"
                                + "'r':1.234567891e-05,'regime':'mixed','scales':[2,4,8,16],"
                                + "'schema':'fractal-lba-kakeya','sent_at':'2026-01-19T10:30:45Z',"
                                + "'shard_id':'Z\\u00fcrich/1 <&> \\ud83c\\udf0b','version':'0.1'}",
                        List.of("not rounded", "whole certificate was signed", "Python does without float()")),
                Arguments.of(
                        "Python, nothing but json.dumps of the whole certificate",
                        "{'pcs_id': ID, 'schema': 'fractal-lba-kakeya', 'version': '0.1', "
                                + "'shard_id': 'Z\\u00fcrich/1 <&> \\ud83c\\udf0b', 'epoch': 7, 'attempt': 1, "
                                + "'sent_at': '2026-01-19T10:30:45Z', 'scales': [2, 4, 8, 16], "
                                + "'N_j': {'2': 5, '4': 10, '8': 20, '16': 40}, 'coh_star': 1, "
                                + "'D_hat': 1.23456789012345, 'r': 1.234567891e-05, 'regime': 'mixed', "
                                + "'budget': 0.1234567885, 'merkle_root': ROOT}",
                        List.of(
                                "not rounded",
                                "whole certificate was signed",
                                "order of the certificate",
                                "A space follows",
                                "Python does without float()")));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("texts")
    void diagnose_textOfAnotherProgram_isFoundWithItsDifferences(String program, String template, List<String> what)
            throws MalformedCertificate {
        String signed = text(template);

        Diagnosis.Explained explained = (Diagnosis.Explained) diagnoseHmac(signed);

        assertThat(new String(explained.signed(), StandardCharsets.UTF_8)).isEqualTo(signed);
        assertThat(new String(explained.canonical(), StandardCharsets.UTF_8)).isEqualTo(CANONICAL);
        assertThat(explained.differences()).hasSameSizeAs(what);
        for (int i = 0; i < what.size(); i++) {
            assertThat(explained.differences().get(i).what()).contains(what.get(i));
        }
        assertThat(explained.tried().combinations()).isPositive();
    }

    @Test
    void diagnose_spellingOfTheCertificateWithRoundedReals_blamesNoRounding() throws MalformedCertificate {
        Pcs pcs = Pcs.number(1).with("r", "0.80").with("D_hat", "1e0");
        byte[] canonical = CanonicalForm.of(CertificateReader.parse(pcs.bytes()).signed());
        String signed = new String(canonical, StandardCharsets.US_ASCII)
                .replace("\"r\":0.8", "\"r\":0.80")
                .replace("\"D_hat\":1.0", "\"D_hat\":1e0");
        byte[] body = pcs.tampered("sig", '"' + new HmacSigner(Pcs.KEY).sign(WronglySigned.utf8(signed)) + '"')
                .bytes();

        Diagnosis.Explained explained =
                (Diagnosis.Explained) new SignatureDiagnosis(SignatureCheck.hmac(List.of(Pcs.KEY)), List.of())
                        .of(body, CertificateReader.parse(body));

        assertThat(explained.differences())
                .extracting(Difference::what)
                .containsExactly("Reals are spelled as they stand in the certificate.");
    }

    @Test
    void diagnose_anyForm_isFoundWithNoMoreDifferencesThanItHas() throws MalformedCertificate {
        JsonValue.Members certificate = JsonValue.parse(WronglySigned.certificate(""));
        List<TextForm> forms = TextForms.of(certificate, EnumSet.allOf(TextForm.Scope.class));
        for (int i = 1; i < forms.size(); i += forms.size() / 12) {
            byte[] text = TextWriter.write(certificate, forms.get(i));

            Diagnosis.Explained explained =
                    (Diagnosis.Explained) diagnoseHmac(new String(text, StandardCharsets.UTF_8));

            assertThat(explained.signed()).isEqualTo(text);
            assertThat(explained.differences())
                    .hasSizeLessThanOrEqualTo(forms.get(i).deviations());
        }
    }

    @Test
    void diagnose_canonicalText_isGood() throws MalformedCertificate {
        assertThat(diagnoseHmac(CANONICAL)).isInstanceOf(Diagnosis.Good.class);
    }

    @Test
    void diagnose_fieldChangedAfterSigning_saysThatNothingFits() throws MalformedCertificate {
        Diagnosis.Unexplained unexplained = (Diagnosis.Unexplained)
                diagnoseHmac(CANONICAL.replace("'epoch':7", "'epoch':8").replace(":7,", ":8,"));

        assertThat(new String(unexplained.canonical(), StandardCharsets.UTF_8)).isEqualTo(CANONICAL);
        assertThat(unexplained.hint()).isEmpty();
        assertThat(unexplained.tried().complete()).isTrue();
        assertThat(unexplained.tried().combinations()).isGreaterThan(10_000).isLessThan(Search.MAX_WORK);
        assertThatCode(() -> DiagnosisText.of(unexplained)).doesNotThrowAnyException();
    }
}
