// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import static dev.flk.diagnosis.WronglySigned.CANONICAL;
import static dev.flk.diagnosis.WronglySigned.SECRET;
import static dev.flk.diagnosis.WronglySigned.base64;
import static dev.flk.diagnosis.WronglySigned.certificate;
import static dev.flk.diagnosis.WronglySigned.diagnose;
import static dev.flk.diagnosis.WronglySigned.hmac;
import static dev.flk.diagnosis.WronglySigned.text;
import static dev.flk.diagnosis.WronglySigned.utf8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.canonical.Sha256;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.JsonValue;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.diagnosis.Diagnosis.Difference;
import dev.flk.diagnosis.Diagnosis.Verdict;
import dev.flk.diagnosis.KeyRing.NamedKey;
import dev.flk.sample.Pcs;
import dev.flk.signing.CandidateKey;
import dev.flk.signing.Ed25519Signer;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.SignatureCheck;
import dev.flk.signing.SigningAlgorithm;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bouncycastle.crypto.params.Ed25519PrivateKeyParameters;
import org.bouncycastle.math.ec.rfc8032.Ed25519;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Tests that each mistake is found, alone and in combinations, with simple keys and with a keys file, and that a
 * diagnosis of any other signature has the right verdict.
 */
final class SignatureDiagnosisTest {
    private static final byte[] SEED = utf8("0123456789abcdef0123456789abcdef");
    private static final Ed25519Signer SIGNER = new Ed25519Signer(SEED);
    private static final SignatureCheck HMAC = SignatureCheck.hmac(List.of(SECRET));
    private static final SignatureCheck ED25519 = SignatureCheck.ed25519(List.of(SIGNER.publicKeyBase64()));
    private static final byte[] TEXT = utf8(CANONICAL);
    private static final NamedKey PLANT = new NamedKey("plant-7", CandidateKey.publicKey(SIGNER.publicKeyBase64()));

    private static String mac(byte[] key, byte[] text) {
        return base64(hmac("HmacSHA256", key, text));
    }

    private static String ed25519(byte[] message) {
        byte[] signature = new byte[Ed25519.SIGNATURE_SIZE];
        new Ed25519PrivateKeyParameters(SEED, 0)
                .sign(Ed25519.Algorithm.Ed25519, null, message, 0, message.length, signature, 0);
        return base64(signature);
    }

    private static void assertMistakes(Diagnosis diagnosis, Mistake... mistakes) {
        assertThat(diagnosis.verdict()).isEqualTo(Verdict.EXPLAINED);
        assertThat(diagnosis.isAccepted()).isFalse();
        assertThat(diagnosis.differences())
                .containsExactlyElementsOf(
                        Arrays.stream(mistakes).map(Mistake::difference).toList());
    }

    private static List<Mistake> ofTheText() {
        return Arrays.stream(Mistake.values()).filter(Mistake::changesText).toList();
    }

    @ParameterizedTest
    @MethodSource("ofTheText")
    void textMistake_isFound_andTheTextIsShown(Mistake mistake) throws MalformedCertificate {
        byte[] signed = SignedText.write(JsonValue.parse(certificate("")), EnumSet.of(mistake));
        Diagnosis diagnosis = diagnose(mac(utf8(SECRET), signed), HMAC);
        assertMistakes(diagnosis, mistake);
        assertThat(diagnosis.wasSigned().getBytes(java.nio.charset.StandardCharsets.UTF_8))
                .isEqualTo(signed)
                .isNotEqualTo(TEXT);
        assertThat(diagnosis.shouldBeSigned()).isEqualTo(CANONICAL);
        assertThat(diagnosis.keyId()).isEqualTo(new HmacSigner(SECRET).keyId().text());
    }

    static Stream<Arguments> programs() {
        return Stream.of(
                Arguments.of(
                        "{'pcs_id': ID, 'shard_id': 'Z\\u00fcrich/1 <&> \\ud83c\\udf0b', 'epoch': 7, 'coh_star': 1.0,"
                                + " 'D_hat': 1.23456789012345, 'r': 1.234567891e-05, 'budget': 0.1234567885,"
                                + " 'merkle_root': ROOT}",
                        new Mistake[] {Mistake.NOT_ROUNDED, Mistake.FIELD_ORDER, Mistake.SPACES}),
                Arguments.of(
                        "{'pcs_id':ID,'shard_id':'Zürich/1 <&> 🌋','epoch':7,'coh_star':1,'D_hat':1.23456789012345,"
                                + "'r':0.00001234567891,'budget':0.1234567885,'merkle_root':ROOT}",
                        new Mistake[] {
                            Mistake.NOT_ROUNDED, Mistake.JAVASCRIPT_NUMBERS, Mistake.FIELD_ORDER, Mistake.UNESCAPED
                        }),
                Arguments.of(
                        "{'D_hat':1.234567890,'budget':0.123456788,'coh_star':1.000000000,'epoch':7,"
                                + "'merkle_root':ROOT,'pcs_id':ID,'r':0.000012346,"
                                + "'shard_id':'Z\\u00fcrich/1 <&> \\ud83c\\udf0b'}¶",
                        new Mistake[] {Mistake.FIXED_DECIMALS, Mistake.LINE_FEED}));
    }

    /** Tests the texts that Python's json.dumps, JavaScript's JSON.stringify, and C's printf with echo produce. */
    @ParameterizedTest
    @MethodSource("programs")
    void textsOfOtherPrograms_areFoundWithAllTheirMistakes(String template, Mistake[] mistakes)
            throws MalformedCertificate {
        assertMistakes(diagnose(mac(utf8(SECRET), utf8(text(template))), HMAC), mistakes);
    }

    @Test
    void otherAlgorithm_isFound_withAKeyOfItsOwnOrNot() throws MalformedCertificate {
        Diagnosis byAnother = diagnose(SIGNER.sign(TEXT), HMAC, new NamedKey("PCS_ED25519_PUB_B64", PLANT.key()));
        assertThat(byAnother.differences())
                .containsExactly(new Difference(
                        "algorithm",
                        "It was made with Ed25519; PCS_SIGN_ALG asks for HMAC-SHA256.",
                        "Sign with HMAC-SHA256, or change PCS_SIGN_ALG."));
        assertThat(byAnother.keyName()).isEqualTo("PCS_ED25519_PUB_B64");
        Diagnosis keyAsSecret = diagnose(new HmacSigner(SIGNER.publicKeyBase64()).sign(TEXT), ED25519);
        assertThat(keyAsSecret.differences().get(0).what())
                .isEqualTo("It was made with HMAC-SHA256 with the Ed25519 key as the secret; PCS_SIGN_ALG asks for"
                        + " Ed25519.");
    }

    @Test
    void otherMessage_isFound() throws MalformedCertificate {
        byte[] hex = utf8(HexFormat.of().formatHex(Sha256.of(TEXT)));
        assertMistakes(diagnose(ed25519(TEXT), ED25519), Mistake.OTHER_MESSAGE);
        assertMistakes(diagnose(ed25519(hex), ED25519), Mistake.HEX_DIGEST);
    }

    @Test
    void otherKey_isNamed() throws MalformedCertificate {
        Diagnosis diagnosis = diagnose(
                new HmacSigner("retired").sign(TEXT), HMAC, new NamedKey("old.key", CandidateKey.secret("retired")));
        assertThat(diagnosis.keyName()).isEqualTo("old.key");
        assertThat(diagnosis.differences())
                .singleElement()
                .extracting(Difference::what)
                .isEqualTo("It was made with the key " + new HmacSigner("retired").keyId()
                        + " of old.key; it is checked with " + new HmacSigner(SECRET).keyId() + ".");
    }

    @Test
    void secretInAnotherForm_isFound() throws MalformedCertificate {
        String sig = mac(SEED, TEXT);
        assertMistakes(diagnose(sig, SignatureCheck.hmac(List.of(base64(SEED)))), Mistake.DECODED_SECRET);
        assertMistakes(
                diagnose(sig, SignatureCheck.hmac(List.of(HexFormat.of().formatHex(SEED)))), Mistake.DECODED_SECRET);
        for (String used : List.of(SECRET + "\n", SECRET + "\r\n")) {
            assertMistakes(diagnose(new HmacSigner(used).sign(TEXT), HMAC), Mistake.SECRET_WHITE_SPACE);
        }
        assertMistakes(
                diagnose(new HmacSigner(SECRET).sign(TEXT), SignatureCheck.hmac(List.of(" " + SECRET + "\t"))),
                Mistake.SECRET_WHITE_SPACE);
    }

    @Test
    void signatureSpelledOtherwise_isFound() throws MalformedCertificate {
        byte[] mac = hmac("HmacSHA256", utf8(SECRET), TEXT);
        for (String sig : List.of(HexFormat.of().formatHex(mac), base64(mac).replace("=", ""), base64(mac) + " ")) {
            assertMistakes(diagnose(sig, HMAC), Mistake.SPELLING);
        }
        String url = SIGNER.sign(TEXT).replace('+', '-').replace('/', '_');
        assertThat(url).matches(".*[-_].*");
        assertMistakes(diagnose(url, ED25519), Mistake.SPELLING);
    }

    /** Tests each mistake in a signature that is also spelled in another way. */
    @ParameterizedTest
    @EnumSource(
            value = Mistake.class,
            mode = EnumSource.Mode.MATCH_ALL,
            names = "^(?!OTHER_ALGORITHM|OTHER_KEY|SPELLING).*")
    void eachMistake_withAnotherSpelling_bothAreFound(Mistake mistake) throws MalformedCertificate {
        byte[] text =
                mistake.changesText() ? SignedText.write(JsonValue.parse(certificate("")), EnumSet.of(mistake)) : TEXT;
        byte[] message = mistake == Mistake.OTHER_MESSAGE
                ? Sha256.of(text)
                : mistake == Mistake.HEX_DIGEST ? utf8(HexFormat.of().formatHex(Sha256.of(text))) : text;
        String secret = base64(SEED);
        byte[] key = mistake == Mistake.DECODED_SECRET
                ? SEED
                : utf8(mistake == Mistake.SECRET_WHITE_SPACE ? secret + "\n" : secret);
        String hex = HexFormat.of().formatHex(hmac("HmacSHA256", key, message));
        assertMistakes(diagnose(hex, SignatureCheck.hmac(List.of(secret))), mistake, Mistake.SPELLING);
    }

    @Test
    void keysFile_namesItsKeysOfAllShards_andDistinguishesFurtherOnes() throws MalformedCertificate {
        String withLineFeed = SIGNER.sign(utf8(CANONICAL + "\n"));
        NamedKey shared = new NamedKey("shared", CandidateKey.secret("a secret"));
        for (boolean isOfShard : List.of(true, false)) {
            Diagnosis diagnosis = ofKeysFile(
                    withLineFeed,
                    isOfShard ? List.of(shared, PLANT) : List.of(shared),
                    isOfShard ? List.of() : List.of(PLANT));
            assertThat(diagnosis.keyId()).isEqualTo("plant-7");
            assertThat(diagnosis.keyName()).isNull();
            assertMistakes(diagnosis, Mistake.LINE_FEED);
        }
        Diagnosis further = ofKeysFile(
                new HmacSigner("retired").sign(TEXT),
                List.of(PLANT),
                List.of(),
                new NamedKey("old.key", CandidateKey.secret("retired")));
        assertThat(further.keyName()).isEqualTo("old.key");
        assertThat(further.differences().get(0).what()).endsWith("; it is checked with plant-7.");
        assertThat(further.differences().get(0).advice())
                .contains("the keys file")
                .doesNotContain("PCS_");
    }

    private static Diagnosis ofKeysFile(String sig, List<NamedKey> ofShard, List<NamedKey> foreign, NamedKey... further)
            throws MalformedCertificate {
        byte[] body = certificate(sig);
        List<SigningAlgorithm> algorithms = Stream.concat(ofShard.stream(), foreign.stream())
                .map(key -> key.key().algorithm())
                .distinct()
                .toList();
        return SignatureDiagnosis.ofKeysFile(algorithms, ofShard, foreign, List.of(further))
                .of(body, CertificateReader.parse(body));
    }

    @Test
    void otherChange_isUnexplained_withTheTextThatShouldBeSigned() throws MalformedCertificate {
        Diagnosis changed = diagnose(mac(utf8(SECRET), utf8(CANONICAL.replace(":7,", ":8,"))), HMAC);
        assertThat(changed.verdict()).isEqualTo(Verdict.UNEXPLAINED);
        assertThat(changed.shouldBeSigned()).isEqualTo(CANONICAL);
        assertThat(changed.hint()).isNull();
        assertThat(changed.text()).contains("another key", "should have been signed");
    }

    @Test
    void signatureOfAnotherAlgorithm_unknownKey_isRecognizedByItsLength() throws MalformedCertificate {
        Diagnosis ed25519 = diagnose(SIGNER.sign(TEXT), HMAC);
        assertThat(ed25519.verdict()).isEqualTo(Verdict.OTHER_ALGORITHM);
        assertThat(ed25519.text()).isEqualTo("""
                signature bad: it was made with another algorithm

                algorithm\tIt is 64 bytes long, like an Ed25519 signature, but HMAC-SHA256 is expected.
                \tUse the same PCS_SIGN_ALG on both sides, with a key for it.
                """);
    }

    @Test
    void signature_goodMissingOrNotChecked_isReportedAsSuch() throws MalformedCertificate {
        assertThat(diagnose(new HmacSigner(SECRET).sign(TEXT), HMAC).text())
                .isEqualTo("signature good, key " + new HmacSigner(SECRET).keyId() + "\n");
        assertThat(diagnose("", HMAC).verdict()).isEqualTo(Verdict.MISSING);
        assertThat(diagnose("", SignatureCheck.none()).isAccepted()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(strings = {"%%%", "not a signature", "ä", "AAAA"})
    void notASignature_isUnreadable(String sig) throws MalformedCertificate {
        assertThat(diagnose(sig, HMAC).verdict()).isEqualTo(Verdict.UNREADABLE);
        assertThat(diagnose(sig, HMAC).text()).contains("44 characters in base64");
    }

    /** Tests that a diagnosis terminates without an exception for any certificate and any number of keys. */
    @Test
    void strangeAndLongCertificates_andManyKeys_end() throws MalformedCertificate {
        List<String> strange =
                new ArrayList<>(List.of("1e999", "-1e400", "{\"a\":[[],{},null]}", "[1e5,-0,\"\\u0000\"]"));
        strange.add(
                IntStream.range(0, 60_000).mapToObj(i -> "0.000001").toList().toString());
        String sig = '"' + base64(new byte[32]) + '"';
        for (String value : strange) {
            byte[] body = Pcs.number(1)
                    .tampered("unknown", value)
                    .tampered("sig", sig)
                    .bytes();
            assertThat(new SignatureDiagnosis(HMAC, List.of())
                            .of(body, CertificateReader.parse(body))
                            .verdict())
                    .isEqualTo(Verdict.UNEXPLAINED);
        }
        for (String real : List.of("1e308", "-4.9e-324", "-0.0", "-0", "9007199254740993", "1e16", "1e21")) {
            byte[] body = Pcs.number(1).tampered("r", real).tampered("sig", sig).bytes();
            assertThat(new SignatureDiagnosis(HMAC, List.of())
                            .of(body, CertificateReader.parse(body))
                            .verdict())
                    .isEqualTo(Verdict.UNEXPLAINED);
        }
        List<NamedKey> keys = IntStream.rangeClosed(0, SignatureDiagnosis.MAX_KEYS)
                .mapToObj(i -> new NamedKey("key-" + i, CandidateKey.secret("secret " + i)))
                .toList();
        assertThat(ofKeysFile(base64(new byte[32]), List.of(PLANT), keys).hint())
                .isEqualTo("Only the first 64 keys were tried.");
    }
}
