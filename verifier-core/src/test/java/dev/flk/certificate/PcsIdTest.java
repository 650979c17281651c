// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PcsIdTest {
    @Test
    void of_isTheHashOfTheThreeFields() {
        // printf 'root|5|é' | sha256sum
        assertThat(PcsId.of("root", 5, "é"))
                .hasToString("bfceb4004437cdb45080581a1ab94677d1e8fe760f2971fd1ea40e87bb2fa04e");
    }

    @Test
    void parse_hex_isThatId() {
        String hex = "0123456789abcdef".repeat(4);

        assertThat(PcsId.parse(hex)).hasValueSatisfying(id -> {
            assertThat(id).hasToString(hex).isEqualByComparingTo(id);
            assertThat(id.toBytes()).hasSize(32).startsWith(0x01, 0x23, 0x45);
        });
        assertThat(PcsId.parse(hex)).isEqualTo(PcsId.parse(hex));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "0", "0123456789ABCDEF", "g123456789abcdef", "/123456789abcdef", ":123456789abcdef"})
    void parse_anythingElse_isEmpty(String quarter) {
        assertThat(PcsId.parse(quarter.repeat(4))).isEmpty();
    }

    @Test
    void parse_63Or65Digits_isEmpty() {
        assertThat(PcsId.parse("a".repeat(63))).isEmpty();
        assertThat(PcsId.parse("a".repeat(65))).isEmpty();
    }
}
