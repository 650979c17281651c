// SPDX-License-Identifier: Apache-2.0
package dev.flk.verification;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TheilSenTest {
    @ParameterizedTest
    @CsvSource({
        "2, 5, 4, 10, 1.0",
        "2, 4, 4, 16, 2.0",
        "4, 16, 2, 4, 2.0",
        "2, 8, 4, 8, 0.0",
        "8, 3, 2, 3, 0.0",
        "2, 16, 4, 4, -2.0",
        "3, 9, 27, 27, 0.5",
        "1, 1, 10, 1000, 3.0",
        "1, 1, 2147483647, 9223372036854775807, 2.032258065",
        "1, 9223372036854775807, 2147483647, 1, -2.032258065",
        "2, 9223372036854775806, 4, 9223372036854775807, 0.0",
    })
    void slope_twoPoints_isTheirSlope(int scale1, long count1, int scale2, long count2, double slope) {
        assertThat(TheilSen.slope(new int[] {scale1, scale2}, new long[] {count1, count2}))
                .isEqualTo(slope);
    }

    @Test
    void slope_neighbouringLargeScales_isPrecise() {
        // 60-digit arithmetic: ln(3e9 / 2999999999) / ln(2147483647 / 2147483646)
        assertThat(TheilSen.slope(new int[] {2147483646, 2147483647}, new long[] {2_999_999_999L, 3_000_000_000L}))
                .isEqualTo(0.715827882);
    }

    @Test
    void slope_badPoints_areRefused() {
        assertRefused(new int[] {2}, new long[] {1}, "at least 2 scales");
        assertRefused(new int[] {2, 4}, new long[] {1}, "2 scales and 1 counts");
        assertRefused(new int[] {2, 0}, new long[] {1, 1}, "not 0");
        assertRefused(new int[] {2, 4}, new long[] {1, -1}, "not -1");
        assertRefused(new int[] {2, 4, 2}, new long[] {1, 1, 1}, "scale 2 is repeated");
    }

    private static void assertRefused(int[] scales, long[] counts, String message) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> TheilSen.slope(scales, counts))
                .withMessageContaining(message);
    }
}
