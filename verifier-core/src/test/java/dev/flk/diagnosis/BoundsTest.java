// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.JsonValue;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.sample.Pcs;
import dev.flk.signing.Ed25519Signer;
import dev.flk.signing.SignatureCheck;
import dev.flk.signing.SuspectKey;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Whatever a stranger sends, and however many keys there are, the search ends soon and says whether it saw all. */
class BoundsTest {
    @Test
    void forms_ofACertificateOnWhichAllDiffer_areFewerThanTheDocsSay() throws MalformedCertificate {
        assertThat(TextForms.of(JsonValue.parse(WronglySigned.certificate("")), EnumSet.allOf(TextForm.Scope.class)))
                .hasSizeBetween(10_000, 33_372);
        int fewRoundings = (int) NumberForm.all(Rounding.NONE).stream()
                .filter(NumberForm::isRoundedProperlyOrNot)
                .count();
        int waysOfSpacingAndEscaping = 3 * 2 * StringForm.values().length;
        assertThat(waysOfSpacingAndEscaping * (4 * NumberForm.all(Rounding.NONE).size() + 3 * fewRoundings))
                .isEqualTo(33_372);
    }

    @Test
    void diagnose_certificateOfAMebibyte_endsAndSaysThatItDidNotTryAll() throws MalformedCertificate {
        String vStar = IntStream.range(0, 60_000)
                .mapToObj(i -> "0.00000" + (100_000_000 + i))
                .collect(Collectors.joining(",", "[", "]"));
        Pcs pcs = Pcs.number(1).with("v_star", vStar).tampered("epoch", "2");

        Diagnosis.Unexplained unexplained =
                (Diagnosis.Unexplained) diagnose(pcs, SignatureCheck.hmac(List.of(Pcs.KEY)), List.of());

        assertThat(unexplained.tried().complete()).isFalse();
        assertThat(unexplained.tried().combinations()).isLessThanOrEqualTo(Search.MAX_WORK);
    }

    @Test
    void diagnose_manyKeys_endsAndStillFindsWhatIsLikely() throws MalformedCertificate {
        List<NamedKey> keys = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            byte[] seed = new byte[Ed25519Signer.SEED_BYTES];
            seed[0] = (byte) i;
            keys.add(new NamedKey("key " + i, SuspectKey.publicKey(new Ed25519Signer(seed).publicKeyBase64())));
        }
        SignatureCheck check = SignatureCheck.ed25519(
                List.of(new Ed25519Signer(WronglySigned.utf8("f".repeat(32))).publicKeyBase64()));
        byte[] seed = new byte[Ed25519Signer.SEED_BYTES];
        seed[0] = (byte) 199;
        Pcs signed = Pcs.number(1).signedBy(new Ed25519Signer(seed));

        assertThat(((Diagnosis.Explained) diagnose(signed, check, keys)).keyName())
                .isEqualTo("key 199");
        Diagnosis.Unexplained unexplained =
                (Diagnosis.Unexplained) diagnose(signed.tampered("epoch", "2"), check, keys);
        assertThat(unexplained.tried().complete()).isFalse();
        assertThat(unexplained.tried().combinations()).isLessThanOrEqualTo(Search.MAX_WORK);
    }

    @Test
    void diagnose_strangeButWellFormedCertificates_neverFails() throws MalformedCertificate {
        SignatureCheck check = SignatureCheck.hmac(List.of(Pcs.KEY));
        // of a length that few uses of a key have
        String sig = '"' + WronglySigned.base64(new byte[20]) + '"';
        for (String strange : List.of("1e999", "-1e400", "{\"a\":[[],{},null]}", "[1e5,-0,\"\\ud83c\\udf0b\"]")) {
            Pcs pcs = Pcs.number(1).tampered("unknown", strange).tampered("sig", sig);
            assertThat(diagnose(pcs, check, List.of())).isInstanceOf(Diagnosis.Unexplained.class);
        }
        for (String real : List.of("1e308", "-4.9e-324", "-0.0", "-0", "9007199254740993", "1e16", "1e21")) {
            Pcs pcs = Pcs.number(1).tampered("r", real).tampered("sig", sig);
            assertThat(diagnose(pcs, check, List.of())).isInstanceOf(Diagnosis.Unexplained.class);
        }
    }

    private static Diagnosis diagnose(Pcs pcs, SignatureCheck check, List<NamedKey> others)
            throws MalformedCertificate {
        byte[] body = pcs.bytes();
        return new SignatureDiagnosis(check, others).of(body, CertificateReader.parse(body));
    }
}
