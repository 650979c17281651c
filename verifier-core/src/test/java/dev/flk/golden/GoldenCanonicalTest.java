// SPDX-License-Identifier: Apache-2.0
package dev.flk.golden;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.canonical.SignedFields;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.CertificateReader.ParsedCertificate;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.SignatureCheck;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class GoldenCanonicalTest {
    static List<JsonNode> vectors() {
        return Golden.lines("canonical.jsonl");
    }

    @Test
    void file_hasAllVectors() {
        assertThat(vectors()).hasSize(400);
    }

    @ParameterizedTest(name = "{index}")
    @MethodSource("vectors")
    void vector_isSignedAndVerifiedToTheByte(JsonNode vector) throws MalformedCertificate {
        ParsedCertificate parsed = CertificateReader.parse(Golden.certificate(vector));
        byte[] canonical = parsed.signed().canonicalForm();
        String secret = Golden.text(vector, "hmac_key");
        String hmac = Golden.text(vector, "hmac");

        assertThat(new String(canonical, StandardCharsets.UTF_8)).isEqualTo(Golden.text(vector, "canonical"));
        assertThat(parsed.checkIgnoringClock().signed()).isEqualTo(parsed.signed());
        assertThat(new HmacSigner(secret).sign(canonical)).isEqualTo(hmac);
        assertOnlyOriginalVerifies(SignatureCheck.hmac(List.of(secret)), parsed.signed(), hmac);
        assertOnlyOriginalVerifies(
                SignatureCheck.ed25519(List.of(Golden.text(vector, "ed25519_pub"))),
                parsed.signed(),
                Golden.text(vector, "ed25519"));
    }

    private static void assertOnlyOriginalVerifies(SignatureCheck check, SignedFields signed, String sig) {
        assertThat(check.verify(signed.canonicalForm(), sig)).isPresent();
        for (SignedFields changed : eachFieldChanged(signed)) {
            assertThat(check.verify(changed.canonicalForm(), sig))
                    .as("signature after a change to %s", changed)
                    .isEmpty();
        }
    }

    private static List<SignedFields> eachFieldChanged(SignedFields f) {
        return List.of(
                with(f, f.pcsId() + "0", f.shardId(), f.epoch(), f.merkleRoot()),
                with(f, f.pcsId(), f.shardId() + " ", f.epoch(), f.merkleRoot()),
                with(f, f.pcsId(), f.shardId(), f.epoch() ^ 1, f.merkleRoot()),
                with(f, f.pcsId(), f.shardId(), f.epoch(), f.merkleRoot() + "."),
                reals(f, other(f.dHat()), f.cohStar(), f.r(), f.budget()),
                reals(f, f.dHat(), other(f.cohStar()), f.r(), f.budget()),
                reals(f, f.dHat(), f.cohStar(), other(f.r()), f.budget()),
                reals(f, f.dHat(), f.cohStar(), f.r(), other(f.budget())));
    }

    /** Returns the next real with a different canonical text; for a zero, the zero with the other sign. */
    private static double other(double real) {
        if (real == 0) {
            return -real;
        }
        return Math.abs(real) < 1e6 ? real + 1e-9 : Math.nextUp(real);
    }

    private static SignedFields with(SignedFields f, String pcsId, String shardId, long epoch, String merkleRoot) {
        return new SignedFields(pcsId, shardId, epoch, merkleRoot, f.dHat(), f.cohStar(), f.r(), f.budget());
    }

    private static SignedFields reals(SignedFields f, double dHat, double cohStar, double r, double budget) {
        return new SignedFields(f.pcsId(), f.shardId(), f.epoch(), f.merkleRoot(), dHat, cohStar, r, budget);
    }
}
