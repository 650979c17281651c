// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import static dev.flk.diagnosis.WronglySigned.CANONICAL;
import static dev.flk.diagnosis.WronglySigned.SECRET;
import static dev.flk.diagnosis.WronglySigned.base64;
import static dev.flk.diagnosis.WronglySigned.diagnose;
import static dev.flk.diagnosis.WronglySigned.hmac;
import static dev.flk.diagnosis.WronglySigned.utf8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.canonical.Sha256;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.signing.Ed25519Signer;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.SignatureCheck;
import dev.flk.signing.SuspectKey;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import org.bouncycastle.crypto.params.Ed25519PrivateKeyParameters;
import org.bouncycastle.math.ec.rfc8032.Ed25519;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The right text, or nearly, was signed with the wrong algorithm, the wrong key, or what was made of the right one. */
class WrongKeyTest {
    private static final byte[] TEXT = utf8(CANONICAL);
    private static final byte[] KEY_BYTES = HexFormat.of().parseHex("9f".repeat(31) + "01");
    private static final Ed25519Signer SIGNER = new Ed25519Signer(KEY_BYTES);
    private static final SignatureCheck HMAC = SignatureCheck.hmac(List.of("first", SECRET));
    private static final SignatureCheck ED25519 = SignatureCheck.ed25519(List.of(SIGNER.publicKeyBase64()));
    private static final NamedKey PUBLIC_KEY =
            new NamedKey("other.properties", SuspectKey.publicKey(SIGNER.publicKeyBase64()));

    @Test
    void anyConfiguredKey_isGood() throws MalformedCertificate {
        Diagnosis diagnosis = diagnose(new HmacSigner(SECRET).sign(TEXT), HMAC);

        assertThat(diagnosis)
                .isEqualTo(new Diagnosis.Good(new HmacSigner(SECRET).keyId().text()));
        assertThat(diagnosis.isTaken()).isTrue();
    }

    @Test
    void otherSecret_isNamedByFileAndId() throws MalformedCertificate {
        Diagnosis.Explained explained = explained(
                new HmacSigner("retired").sign(TEXT), HMAC, new NamedKey("old.key", SuspectKey.secret("retired")));

        assertOnly(
                explained, Cause.KEY, new HmacSigner("retired").keyId() + " of old.key", "PCS_HMAC_KEYS takes several");
        assertThat(explained.key()).contains(new HmacSigner("retired").keyId().text());
        assertThat(explained.keyName()).isEqualTo("old.key");
        assertThat(explained.signed()).isEqualTo(TEXT);
    }

    @Test
    void otherPublicKey_isNamedByFileAndId() throws MalformedCertificate {
        Ed25519Signer retired = new Ed25519Signer(new byte[32]);

        assertOnly(
                explained(
                        retired.sign(TEXT),
                        ED25519,
                        new NamedKey("old.pub", SuspectKey.publicKey(retired.publicKeyBase64()))),
                Cause.KEY,
                retired.keyId() + " of old.pub",
                "PCS_ED25519_PUB_B64 takes several");
    }

    @Test
    void ed25519WhereHmacIsConfigured_isTheAlgorithm() throws MalformedCertificate {
        assertOnly(
                explained(SIGNER.sign(TEXT), HMAC, PUBLIC_KEY),
                Cause.ALGORITHM,
                "It was made with Ed25519; PCS_SIGN_ALG=hmac is what is checked.",
                "PCS_SIGN_ALG=ed25519");
    }

    @Test
    void hmacWhereEd25519IsConfigured_isTheAlgorithm() throws MalformedCertificate {
        assertOnly(
                explained(
                        new HmacSigner(SECRET).sign(TEXT), ED25519, new NamedKey("shared", SuspectKey.secret(SECRET))),
                Cause.ALGORITHM,
                "It was made with HMAC-SHA256; PCS_SIGN_ALG=ed25519 is what is checked.",
                "PCS_SIGN_ALG=hmac");
    }

    @Test
    void ed25519WithTheHmacSecretAsItsSeed_isTheAlgorithm() throws MalformedCertificate {
        SignatureCheck check = SignatureCheck.hmac(List.of(base64(KEY_BYTES)));

        assertOnly(
                explained(SIGNER.sign(TEXT), check),
                Cause.ALGORITHM,
                "Ed25519, the HMAC secret serving as its key",
                "Sign with HMAC-SHA256");
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void hmacWithTheEd25519KeyAsItsSecret_isTheAlgorithm(boolean decoded) throws MalformedCertificate {
        byte[] secret = decoded ? Base64.getDecoder().decode(SIGNER.publicKeyBase64()) : utf8(SIGNER.publicKeyBase64());

        assertOnly(
                explained(base64(hmac("HmacSHA256", secret, TEXT)), ED25519),
                Cause.ALGORITHM,
                "HMAC-SHA256, the Ed25519 key serving as the secret",
                "Sign with Ed25519");
    }

    @ParameterizedTest
    @ValueSource(strings = {"HmacSHA1", "HmacSHA384", "HmacSHA512"})
    void otherHash_isTheAlgorithm(String algorithm) throws MalformedCertificate {
        assertOnly(
                explained(base64(hmac(algorithm, utf8(SECRET), TEXT)), HMAC),
                Cause.ALGORITHM,
                "It was made with HMAC-" + algorithm.substring(4) + ";",
                "Sign with HMAC-SHA256.");
    }

    @Test
    void hashWithoutKey_isTheAlgorithm() throws MalformedCertificate {
        Diagnosis.Explained explained = explained(base64(Sha256.of(TEXT)), HMAC);

        assertOnly(explained, Cause.ALGORITHM, "SHA-256 without any key", "Sign with HMAC-SHA256.");
        assertThat(explained.key()).isEmpty();
    }

    @Test
    void ed25519OverTheText_isTheAlgorithm() throws MalformedCertificate {
        assertOnly(
                explained(base64(ed25519(TEXT)), ED25519),
                Cause.ALGORITHM,
                "Ed25519 was made over the text itself.",
                "Sign the SHA-256 digest of the text, its 32 bytes.");
    }

    @Test
    void ed25519OverTheHexOfTheDigest_isTheAlgorithm() throws MalformedCertificate {
        assertOnly(
                explained(base64(ed25519(hexOfDigest())), ED25519),
                Cause.ALGORITHM,
                "over the hex digits of the text's SHA-256",
                "its 32 bytes");
    }

    @Test
    void hmacOverTheDigest_isTheAlgorithm() throws MalformedCertificate {
        assertOnly(
                explained(base64(hmac("HmacSHA256", utf8(SECRET), Sha256.of(TEXT))), HMAC),
                Cause.ALGORITHM,
                "HMAC-SHA256 was made over the SHA-256 digest of the text.",
                "Make it over the text itself.");
    }

    @Test
    void decodedSecret_isTheKey() throws MalformedCertificate {
        SignatureCheck base64 = SignatureCheck.hmac(List.of(base64(KEY_BYTES)));
        SignatureCheck hex = SignatureCheck.hmac(List.of(HexFormat.of().formatHex(KEY_BYTES)));
        String sig = base64(hmac("HmacSHA256", KEY_BYTES, TEXT));

        assertOnly(explained(sig, base64), Cause.KEY, "decoded from base64", "exactly as it is configured");
        assertOnly(explained(sig, hex), Cause.KEY, "decoded from hex", "exactly as it is configured");
    }

    @Test
    void secretWithALineEnd_isTheKey() throws MalformedCertificate {
        assertOnly(
                explained(new HmacSigner(SECRET + "\n").sign(TEXT), HMAC),
                Cause.KEY,
                "with a line feed at its end",
                "exactly");
        assertOnly(
                explained(new HmacSigner(SECRET + "\r\n").sign(TEXT), HMAC),
                Cause.KEY,
                "a carriage return and line feed",
                "exactly");
        assertOnly(
                explained(new HmacSigner(SECRET).sign(TEXT), SignatureCheck.hmac(List.of(" " + SECRET + "\t"))),
                Cause.KEY,
                "without the white space around it",
                "exactly");
    }

    @Test
    void signatureSpelledOtherwise_isTheSpelling() throws MalformedCertificate {
        byte[] mac = hmac("HmacSHA256", utf8(SECRET), TEXT);
        String hex = HexFormat.of().formatHex(mac);

        assertOnly(explained(hex, HMAC), Cause.SPELLING, "in hex", "in base64");
        assertOnly(explained(base64(utf8(hex)), HMAC), Cause.SPELLING, "the base64 of hex digits", "in base64");
        assertOnly(explained(base64(mac).replace("=", ""), HMAC), Cause.SPELLING, "lacks the =", "padded");
        assertOnly(explained(base64(mac) + " ", HMAC), Cause.SPELLING, "white space", "no white space");
    }

    @Test
    void signatureInTheAlphabetForUrls_isTheSpelling() throws MalformedCertificate {
        String sig = new Ed25519Signer(KEY_BYTES).sign(TEXT);
        assertThat(sig).matches(".*[+/].*");

        assertOnly(
                explained(sig.replace('+', '-').replace('/', '_'), ED25519),
                Cause.SPELLING,
                "the alphabet for URLs",
                "the standard alphabet");
    }

    @Test
    void twoOrThreeThingsAtOnce_areAllTold() throws MalformedCertificate {
        byte[] text = utf8(CANONICAL
                .replace("0.123456788", "0.1234567885")
                .replace("1.2346e-05", "1.234567891e-05")
                .replace("1.23456789,", "1.23456789012345,"));
        String sig = HexFormat.of().formatHex(hmac("HmacSHA256", utf8("retired\n"), text));

        Diagnosis.Explained explained = explained(sig, HMAC, new NamedKey("old.key", SuspectKey.secret("retired")));

        assertThat(explained.differences())
                .extracting(Difference::cause)
                .containsExactly(Cause.KEY, Cause.KEY, Cause.ROUNDING, Cause.SPELLING);
        assertThat(explained.signed()).isEqualTo(text);
    }

    @Test
    void unknownKeyOfTheOtherAlgorithm_theLengthIsAHint() throws MalformedCertificate {
        Diagnosis.Unexplained unexplained = (Diagnosis.Unexplained) diagnose(SIGNER.sign(TEXT), HMAC);

        assertThat(unexplained.hint())
                .isEqualTo("Its 64 bytes are the length of an Ed25519 signature or an HMAC-SHA512; PCS_SIGN_ALG=hmac"
                        + " is what is checked.");
        assertThat(unexplained.isTaken()).isFalse();
    }

    @Test
    void noSignature_isMissing() throws MalformedCertificate {
        assertThat(diagnose("", HMAC)).isEqualTo(new Diagnosis.Missing());
    }

    @ParameterizedTest
    @ValueSource(strings = {"%%%", "not a signature", "ä"})
    void signatureThatIsNoBase64_isUnreadable(String sig) throws MalformedCertificate {
        Diagnosis.Unreadable unreadable = (Diagnosis.Unreadable) diagnose(sig, HMAC);

        assertThat(unreadable.why())
                .isEqualTo("it is not base64; an HMAC-SHA256 has 32 bytes, 44 characters in base64");
    }

    @Test
    void signatureOfAnotherLength_isUnreadable() throws MalformedCertificate {
        assertThat(((Diagnosis.Unreadable) diagnose(base64(new byte[31]), HMAC)).why())
                .isEqualTo("its base64 stands for 31 bytes; an HMAC-SHA256 has 32 bytes, 44 characters in base64");
        assertThat(((Diagnosis.Unreadable) diagnose(base64(new byte[63]), ED25519)).why())
                .isEqualTo(
                        "its base64 stands for 63 bytes; an Ed25519 signature has 64 bytes, 88 characters in base64");
    }

    @Test
    void noCheck_isNotChecked() throws MalformedCertificate {
        assertThat(diagnose("", SignatureCheck.none())).isEqualTo(new Diagnosis.NotChecked());
    }

    private static byte[] hexOfDigest() {
        return HexFormat.of().formatHex(Sha256.of(TEXT)).getBytes(StandardCharsets.US_ASCII);
    }

    private static byte[] ed25519(byte[] message) {
        byte[] signature = new byte[Ed25519.SIGNATURE_SIZE];
        new Ed25519PrivateKeyParameters(KEY_BYTES, 0)
                .sign(Ed25519.Algorithm.Ed25519, null, message, 0, message.length, signature, 0);
        return signature;
    }

    private static Diagnosis.Explained explained(String sig, SignatureCheck check, NamedKey... others)
            throws MalformedCertificate {
        return (Diagnosis.Explained) diagnose(sig, check, others);
    }

    private static void assertOnly(Diagnosis.Explained explained, Cause cause, String what, String advice) {
        assertThat(explained.differences()).hasSize(1);
        Difference difference = explained.differences().get(0);
        assertThat(difference.cause()).isEqualTo(cause);
        assertThat(difference.what()).contains(what);
        assertThat(difference.advice()).contains(advice);
    }
}
