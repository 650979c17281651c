// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.certificate.FieldValues.Reals;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A comparison of parsed literals, bit by bit, with the platform's parser, which is exact but slow. */
class RealsTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "0",
                "-0",
                "-0.0",
                "0.000000000000000",
                "0.00000000000000000000000001",
                "1",
                "-1.5",
                "999999999999999",
                "9999999999999999",
                "99999999999999.9",
                "0.99999999999999",
                "0.999999999999999",
                "123456789012345.6",
                "9007199254740993",
                "900719925474099.3",
                "0.1e1",
                "1E-7",
                "-4.9e-324",
                "1e400",
                "-1e400",
                "0.1000000000000000055511151231257827021181583404541015625"
            })
    void parse_edgeCase_isThePlatformsDouble(String literal) {
        assertSame(literal);
    }

    @Test
    void parse_randomDecimals_areThePlatformsDoubles() {
        Random random = new Random(9);
        for (int i = 0; i < 200_000; i++) {
            BigInteger digits = new BigInteger(1 + random.nextInt(60), random);
            String literal = new BigDecimal(digits, random.nextInt(18)).toPlainString();
            assertSame(random.nextBoolean() ? literal : "-" + literal);
        }
    }

    private static void assertSame(String literal) {
        byte[] ascii = ("," + literal + ",").getBytes(StandardCharsets.US_ASCII);
        assertThat(Double.doubleToRawLongBits(Reals.parse(ascii, 1, ascii.length - 1)))
                .as(literal)
                .isEqualTo(Double.doubleToRawLongBits(Double.parseDouble(literal)));
    }
}
