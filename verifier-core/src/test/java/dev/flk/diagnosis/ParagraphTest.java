// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ParagraphTest {
    @Test
    void wrapped_breaksAtSpacesAndIndents() {
        assertThat(Paragraph.wrapped("label  ", 7, "word ".repeat(20).strip()))
                .isEqualTo("label  " + "word ".repeat(14).strip() + "\n       "
                        + "word ".repeat(6).strip() + "\n");
    }

    @Test
    void wrapped_aWordLongerThanALine_isBrokenWhereTheLineEnds() {
        assertThat(Paragraph.wrapped("", 2, "a " + "x".repeat(100) + " b"))
                .isEqualTo("a\n  " + "x".repeat(78) + "\n  " + "x".repeat(22) + " b\n");
    }

    @Test
    void block_countsTwoColumnsForWideCharacters() {
        assertThat(Paragraph.block(4, "分".repeat(40)))
                .isEqualTo("    " + "分".repeat(38) + "\n    " + "分".repeat(2) + "\n");
        assertThat(Paragraph.block(4, "")).isEqualTo("    \n");
    }

    @Test
    void visible_controlCharacters_areEscaped() {
        assertThat(Paragraph.visible("a\u001b[1m\nb\u2028é🌋")).isEqualTo("a\\u{1b}[1m\\nb\\u{2028}é🌋");
    }
}
