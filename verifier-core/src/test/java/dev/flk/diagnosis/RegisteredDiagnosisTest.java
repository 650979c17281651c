// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import static dev.flk.diagnosis.WronglySigned.CANONICAL;
import static dev.flk.diagnosis.WronglySigned.certificate;
import static dev.flk.diagnosis.WronglySigned.utf8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.signing.Ed25519Signer;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.SigningAlgorithm;
import dev.flk.signing.SuspectKey;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Signatures that no key of a keys file verifies: they are told by the ids of the file. */
final class RegisteredDiagnosisTest {
    private static final Ed25519Signer SIGNER = new Ed25519Signer(new byte[Ed25519Signer.SEED_BYTES]);
    private static final NamedKey PLANT = new NamedKey("plant-7", SuspectKey.publicKey(SIGNER.publicKeyBase64()));
    private static final byte[] WITH_LINE_FEED = utf8(CANONICAL + "\n");

    private static Diagnosis diagnose(String sig, List<NamedKey> ofShard, List<NamedKey> foreign, NamedKey... further)
            throws MalformedCertificate {
        byte[] body = certificate(sig);
        List<SigningAlgorithm> algorithms = Stream.concat(ofShard.stream(), foreign.stream())
                .map(key -> key.key().algorithm())
                .distinct()
                .toList();
        return new RegisteredDiagnosis(algorithms, ofShard, foreign, List.of(further))
                .of(body, CertificateReader.parse(body));
    }

    private static NamedKey secret(String name, String secret) {
        return new NamedKey(name, SuspectKey.secret(secret));
    }

    @Test
    void keyOfTheFile_hasItsIdThere_andItsOwnAlgorithm() throws MalformedCertificate {
        List<NamedKey> shared = List.of(secret("shared", "a secret"));
        for (boolean isOfShard : List.of(true, false)) {
            Diagnosis.Explained explained = (Diagnosis.Explained) diagnose(
                    SIGNER.sign(WITH_LINE_FEED),
                    isOfShard ? List.of(shared.get(0), PLANT) : shared,
                    isOfShard ? List.of() : List.of(PLANT));
            assertThat(explained.key()).hasValue("plant-7");
            assertThat(explained.keyName()).isNull();
            assertThat(explained.differences()).extracting(Difference::cause).containsExactly(Cause.SERIALISATION);
        }
    }

    @Test
    void furtherKey_isToldFromThoseOfTheShard() throws MalformedCertificate {
        String sig = new HmacSigner("retired").sign(utf8(CANONICAL));

        Diagnosis.Explained explained =
                (Diagnosis.Explained) diagnose(sig, List.of(PLANT), List.of(), secret("old.key", "retired"));

        assertThat(explained.keyName()).isEqualTo("old.key");
        assertThat(explained.differences()).singleElement().satisfies(difference -> {
            assertThat(difference.what())
                    .isEqualTo("It was made with the key " + new HmacSigner("retired").keyId()
                            + " of old.key; it is checked with plant-7.");
            assertThat(difference.advice()).contains("the keys file").doesNotContain("PCS_");
        });
        assertThat(((Diagnosis.Explained) diagnose(sig, List.of(), List.of(PLANT), secret("old.key", "retired")))
                        .differences()
                        .get(0)
                        .what())
                .endsWith("; no key of the keys file may sign for the shard.");
    }

    @Test
    void keyAsAnHmacSecret_isTheAlgorithm_withoutASettingThatThereIsNot() throws MalformedCertificate {
        String sig = new HmacSigner(SIGNER.publicKeyBase64()).sign(utf8(CANONICAL));

        assertThat(((Diagnosis.Explained) diagnose(sig, List.of(PLANT), List.of())).differences())
                .singleElement()
                .isEqualTo(new Difference(
                        Cause.ALGORITHM,
                        "It was made with HMAC-SHA256, the Ed25519 key serving as the secret; the keys file has keys for"
                                + " Ed25519.",
                        "Sign with Ed25519, for which the key is."));
    }

    @Test
    void unreadable_namesTheAlgorithmsOfTheFile() throws MalformedCertificate {
        assertThat(((Diagnosis.Unreadable) diagnose("x", List.of(PLANT), List.of(secret("shared", "s")))).why())
                .contains("an Ed25519 signature has 64 bytes", "an HMAC-SHA256 has 32 bytes");
    }

    @Test
    void moreForeignKeysThanAreTried_isSaid() throws MalformedCertificate {
        List<NamedKey> foreign = IntStream.rangeClosed(0, RegisteredDiagnosis.MAX_FOREIGN)
                .mapToObj(number -> secret("key-" + number, "secret " + number))
                .toList();
        // of a length that few uses of a key have
        String sig = WronglySigned.base64(new byte[20]);

        Diagnosis.Unexplained unexplained = (Diagnosis.Unexplained) diagnose(sig, List.of(PLANT), foreign);

        assertThat(unexplained.tried().complete()).isFalse();
        assertThat(unexplained.hint())
                .startsWith("Its 20 bytes are the length of an HMAC-SHA1; the keys file has keys");
    }
}
