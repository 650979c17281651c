// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import com.sun.management.ThreadMXBean;
import dev.flk.certificate.CertificateReader.ParsedCertificate;
import dev.flk.sample.FuzzInputs;
import dev.flk.signing.Ed25519Signer;
import dev.flk.signing.SignatureCheck;
import dev.flk.verification.Policy;
import dev.flk.verification.Verifier;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.params.provider.ArgumentsSource;

/**
 * Arbitrary bytes, read like an unauthenticated client's body. They are either rejected with a message, or decided; a
 * second reading gives the same result and allocates little.
 */
class CertificateFuzzTest {
    private static final SignatureCheck HMAC = SignatureCheck.hmac(List.of("golden-outcomes-key"));
    private static final SignatureCheck ED25519 =
            SignatureCheck.ed25519(List.of(new Ed25519Signer(new byte[Ed25519Signer.SEED_BYTES]).publicKeyBase64()));
    private static final Verifier VERIFIER = new Verifier(Policy.defaults());

    private static final int MAX_ALLOCATED_BYTES_PER_BODY_BYTE = 200;
    private static final int MAX_ALLOCATED_BYTES_OF_ANY_BODY = 256 << 10;

    @FuzzTest
    @ArgumentsSource(FuzzInputs.class)
    void anyBytes_areRefusedOrReadTheSameTwice(byte[] body) {
        byte[] given = body.clone();
        long most = MAX_ALLOCATED_BYTES_OF_ANY_BODY + (long) MAX_ALLOCATED_BYTES_PER_BODY_BYTE * body.length;

        Read first = read(body);
        long allocated = Long.MAX_VALUE;
        // If too much was allocated, it is measured again, because the fuzzer sometimes allocates on this thread too.
        for (int attempt = 0; attempt < 3 && allocated > most; attempt++) {
            long before = allocatedBytes();
            assertThat(read(body)).isEqualTo(first);
            allocated = allocatedBytes() - before;
        }

        assertThat(body).isEqualTo(given);
        assertThat(allocated)
                .as("bytes allocated for a body of %d", body.length)
                .isLessThanOrEqualTo(most);
    }

    /**
     * The results of {@code parse} and {@code check} for a body.
     *
     * @param refusal the message of the step that rejected the body; empty if neither step did
     * @param canonicalForm the canonical form; empty if {@code parse} rejected the body
     * @param digest the content digest; empty if the body was rejected
     * @param outcome the outcome; empty if the body was rejected
     */
    private record Read(String refusal, String canonicalForm, String digest, String outcome) {}

    private static Read read(byte[] body) {
        ParsedCertificate parsed;
        try {
            parsed = CertificateReader.parse(body);
        } catch (MalformedCertificate e) {
            return new Read(message(e), "", "", "");
        }
        String canonical = ascii(parsed.canonicalForm());
        checkSignature(parsed);
        checkCanonicalFormSaysTheSame(parsed);
        try {
            return decided(canonical, parsed.checkIgnoringClock());
        } catch (MalformedCertificate e) {
            assertAlsoRefusedByTheClock(parsed);
            return new Read(message(e), canonical, "", "");
        }
    }

    private static Read decided(String canonical, Certificate certificate) {
        byte[] outcome = VERIFIER.verify(certificate).body();
        assertThat(certificate.contentDigest().toBytes()).hasSize(ContentDigest.LENGTH_BYTES);
        assertThat(ascii(outcome))
                .startsWith("{\"pcs_id\":\"" + certificate.id() + "\",")
                .endsWith("}");
        assertThat(VERIFIER.explain(certificate).verdict()).isEqualTo(VERIFIER.verify(certificate));
        return new Read("", canonical, certificate.contentDigest().hex(), ascii(outcome));
    }

    /** Verifies that HMAC and Ed25519 checks do not throw, and do not accept one signature for two different texts. */
    private static void checkSignature(ParsedCertificate parsed) {
        byte[] canonical = parsed.canonicalForm();
        byte[] other = Arrays.copyOf(canonical, canonical.length + 1);
        for (SignatureCheck check : List.of(HMAC, ED25519)) {
            Optional<?> key = check.verify(canonical, parsed.sig());
            assertThat(key.isPresent() && check.verify(other, parsed.sig()).isPresent())
                    .isFalse();
        }
    }

    /**
     * Verifies that the canonical form is a body with the signed fields, and that the canonical form of this body is
     * the same text.
     */
    private static void checkCanonicalFormSaysTheSame(ParsedCertificate parsed) {
        try {
            ParsedCertificate again = CertificateReader.parse(parsed.canonicalForm());
            assertThat(again.signed()).isEqualTo(parsed.signed());
            assertThat(again.canonicalForm()).isEqualTo(parsed.canonicalForm());
        } catch (MalformedCertificate e) {
            throw new AssertionError("the canonical form " + ascii(parsed.canonicalForm()), e);
        }
    }

    /** Verifies that a body that breaks a rule is also rejected when {@code sent_at} is compared with a clock. */
    private static void assertAlsoRefusedByTheClock(ParsedCertificate parsed) {
        try {
            Certificate taken = parsed.check(CertificateText.NOW, Duration.ofMinutes(5));
            throw new AssertionError("accepted with a clock, but rejected without one: " + taken);
        } catch (MalformedCertificate e) {
            message(e);
        }
    }

    /**
     * Returns the message after checking that it is fit for a response and the log: one line, with only a short
     * quotation from the body.
     */
    private static String message(MalformedCertificate e) {
        assertThat(e.getMessage()).isNotBlank().hasSizeLessThan(400);
        assertThat(e.getMessage().chars()).allMatch(c -> (c >= ' ' && c <= '~') || c == '…');
        return e.getMessage();
    }

    private static String ascii(byte[] bytes) {
        StringBuilder text = new StringBuilder(bytes.length);
        for (byte b : bytes) {
            if (b < ' ' || b > '~') {
                throw new AssertionError("a byte that is not printable ASCII: " + b);
            }
            text.append((char) b);
        }
        return text.toString();
    }

    private static long allocatedBytes() {
        return ((ThreadMXBean) ManagementFactory.getThreadMXBean()).getCurrentThreadAllocatedBytes();
    }
}
