// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.certificate.Certificate.Regime;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class RegimeTest {
    @ParameterizedTest
    @CsvSource({
        "1.5, 0.7, STICKY",
        "0.0, 1.05, STICKY",
        "1.500000001, 0.7, MIXED",
        "1.5, 0.699999999, MIXED",
        "2.599999999, 0.9, MIXED",
        "2.6, 0.9, NON_STICKY",
        "2.6, 0.0, NON_STICKY",
    })
    void of_edges(double dHat, double cohStar, Regime regime) {
        assertThat(Regime.of(dHat, cohStar)).isEqualTo(regime);
    }

    @ParameterizedTest
    @EnumSource
    void parse_wireName_isThatRegime(Regime regime) {
        assertThat(Regime.parse(regime.wireName())).contains(regime);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "STICKY", "Sticky", "non-sticky"})
    void parse_otherName_isEmpty(String name) {
        assertThat(Regime.parse(name)).isEmpty();
    }
}
