// SPDX-License-Identifier: Apache-2.0
package dev.flk.canonical;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.sample.FuzzInputs;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.junit.jupiter.params.provider.ArgumentsSource;

/** A comparison of the signed bytes with those of {@link SlowCanonicalForm}, which must also reject the same bodies. */
class CanonicalFuzzTest {
    @FuzzTest
    @ArgumentsSource(FuzzInputs.class)
    void anyBody_hasTheSameFormAsByTheSlowReference(byte[] body) {
        assertThat(canonicalForm(body)).isEqualTo(SlowCanonicalForm.of(body));
    }

    private static Optional<String> canonicalForm(byte[] body) {
        try {
            return Optional.of(new String(CertificateReader.parse(body).canonicalForm(), StandardCharsets.ISO_8859_1));
        } catch (MalformedCertificate e) {
            return Optional.empty();
        }
    }

    /** Compares the text of a single number, so that the fuzzer needs to find only the number. */
    @FuzzTest
    @ArgumentsSource(FuzzInputs.class)
    void anyDouble_isRoundedAndPrintedAsByTheSlowReference(long bits) {
        double x = Double.longBitsToDouble(bits);
        if (Double.isFinite(x)) {
            double rounded = CanonicalDouble.round9(x);
            assertThat(Double.doubleToRawLongBits(rounded))
                    .isEqualTo(Double.doubleToRawLongBits(SlowDecimal.round9(x)));
            assertThat(CanonicalDouble.print(x)).isEqualTo(SlowDecimal.print(x));
            assertThat(CanonicalDouble.print(rounded)).isEqualTo(SlowDecimal.print(rounded));
            assertThat(SlowDecimal.nearest(CanonicalDouble.print(x))).isEqualTo(x);
        }
    }
}
