// SPDX-License-Identifier: Apache-2.0
package dev.flk.canonical;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SignedFieldsTest {
    @Test
    void reals_areRoundedToNineDecimals() {
        SignedFields fields = new SignedFields("p", "s", 0, "m", 1.00000000049, 0.5, 0.1234567896, -4e-10);

        assertThat(fields).isEqualTo(new SignedFields("p", "s", 0, "m", 1.0, 0.5, 0.12345679, -0.0));
    }

    @ParameterizedTest
    @ValueSource(doubles = {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY})
    void real_notFinite_isRefusedByName(double value) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new SignedFields("p", "s", 0, "m", 0, 0, value, 0))
                .withMessageContaining("r must be a finite number");
    }

    @Test
    void string_withLoneSurrogate_isRefusedByName() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new SignedFields("p", "\ud83d", 0, "m", 0, 0, 0, 0))
                .withMessageContaining("shard_id");
    }

    @Test
    void canonicalForm_hasTheEightFieldsInOrder() {
        SignedFields fields = new SignedFields("id", "\u5206/\"", Long.MAX_VALUE, "root", 1, 0.73, -0.0, 5.8e-5);

        assertThat(new String(fields.canonicalForm(), StandardCharsets.UTF_8))
                .isEqualTo("{\"D_hat\":1.0,\"budget\":5.8e-05,\"coh_star\":0.73,\"epoch\":9223372036854775807,"
                        + "\"merkle_root\":\"root\",\"pcs_id\":\"id\",\"r\":-0.0,\"shard_id\":\"\\u5206/\\\"\"}");
    }
}
