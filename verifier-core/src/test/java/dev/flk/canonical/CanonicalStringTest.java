// SPDX-License-Identifier: Apache-2.0
package dev.flk.canonical;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CanonicalStringTest {
    @Test
    void quote_printable_isUnchanged() {
        assertThat(CanonicalString.quote(" !#[]^~/'")).isEqualTo("\" !#[]^~/'\"");
    }

    @Test
    void quote_withTwoCharacterEscape_usesIt() {
        assertThat(CanonicalString.quote("\"\\\b\f\n\r\t")).isEqualTo("\"\\\"\\\\\\b\\f\\n\\r\\t\"");
    }

    @Test
    void quote_otherwise_usesLowerCaseHex() {
        assertThat(CanonicalString.quote("\u0000\u001f\u007f\u00e9\u5206\uffff"))
                .isEqualTo("\"\\u0000\\u001f\\u007f\\u00e9\\u5206\\uffff\"");
    }

    @Test
    void quote_astral_usesTwoEscapes() {
        assertThat(CanonicalString.quote("\ud83d\udcde")).isEqualTo("\"\\ud83d\\udcde\"");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "a", "\ud83d\udcde", "a\ud83d\udcde\ud83d\udcdeb"})
    void isWellFormed_pairsOnly(String text) {
        assertThat(CanonicalString.isWellFormed(text)).isTrue();
    }

    @Test
    void isWellFormed_loneSurrogate_isNot() {
        assertThat(CanonicalString.isWellFormed("\ud83d")).isFalse();
        assertThat(CanonicalString.isWellFormed("\udcde")).isFalse();
        assertThat(CanonicalString.isWellFormed("a\ud83db")).isFalse();
        assertThat(CanonicalString.isWellFormed("\udcde\ud83d")).isFalse();
        assertThat(CanonicalString.isWellFormed("\ud83d\ud83d\udcde")).isFalse();
    }
}
