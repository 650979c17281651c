// SPDX-License-Identifier: Apache-2.0
package dev.flk.canonical;

import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SignedFieldsTest {
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
}
