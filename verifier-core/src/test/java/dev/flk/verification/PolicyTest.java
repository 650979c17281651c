// SPDX-License-Identifier: Apache-2.0
package dev.flk.verification;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PolicyTest {
    private static final String DEFAULTS =
            "tol_d=0.15;tol_coh=0.05;tol_budget=0.01;base=0.1;alpha=0.3;beta=0.5;gamma=0.2;d0=2.2";

    @Test
    void defaults_haveTheKnownTextAndHash() {
        assertThat(Policy.defaults().text()).isEqualTo(DEFAULTS);
        assertThat(Policy.defaults().hash()).isEqualTo("d42d87fe4a98");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                DEFAULTS,
                "tol_d=0.0;tol_coh=-0.0;tol_budget=5e-05;base=-1.0;alpha=1e+16;beta=123456.789;gamma=0.000123457;d0=-2.2"
            })
    void parse_text_isItsInverse(String text) {
        assertThat(Policy.parse(text).text()).isEqualTo(text);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "tol_d=0.15",
                DEFAULTS + ";",
                " " + DEFAULTS,
                "tol_d=.15;tol_coh=0.05;tol_budget=0.01;base=0.1;alpha=0.3;beta=0.5;gamma=0.2;d0=2.2",
                "tol_d=0.15;tol_coh=0.05;tol_budget=0.01;base=0.1;alpha=0.3;beta=0.5;gamma=0.2;d0=2.20",
                "tol_d=0.15;tol_coh=0.05;tol_budget=0.01;base=0.1;alpha=0.3;beta=0.5;gamma=0.2;d0=x",
                "tol_d=0.15;tol_coh=0.05;tol_budget=0.01;base=0.1;alpha=0.3;beta=0.5;gamma=0.2;d0=NaN",
                "tol_d=-0.15;tol_coh=0.05;tol_budget=0.01;base=0.1;alpha=0.3;beta=0.5;gamma=0.2;d0=2.2",
                "tol_coh=0.05;tol_d=0.15;tol_budget=0.01;base=0.1;alpha=0.3;beta=0.5;gamma=0.2;d0=2.2",
                "tol_d=0.0000000001;tol_coh=0.05;tol_budget=0.01;base=0.1;alpha=0.3;beta=0.5;gamma=0.2;d0=2.2",
            })
    void parse_anythingElse_isRefused(String text) {
        assertThatIllegalArgumentException().isThrownBy(() -> Policy.parse(text));
    }

    @Test
    void values_areKeptAsTheyArePrinted() {
        Policy policy = new Policy(0.15, 0.05, 0.01, 0.10000000049, 0.3, 0.5, 0.2, 2.2);

        assertThat(policy).isEqualTo(Policy.defaults());
    }

    @Test
    void negativeTolerance_isRefusedByName() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new Policy(0.15, 0.05, -0.01, 0.1, 0.3, 0.5, 0.2, 2.2))
                .withMessageContaining("tol_budget");
    }

    @ParameterizedTest
    @ValueSource(doubles = {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY})
    void notFinite_isRefusedByName(double value) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new Policy(0.15, 0.05, 0.01, 0.1, 0.3, 0.5, value, 2.2))
                .withMessageContaining("gamma");
    }

    @Test
    void hash_ofAnotherPolicy_isAnother() {
        assertThat(new Policy(0.15, 0.05, 0.01, 0.1, 0.3, 0.5, 0.2, 2.3).hash())
                .matches("[0-9a-f]{12}")
                .isNotEqualTo(Policy.defaults().hash());
    }
}
