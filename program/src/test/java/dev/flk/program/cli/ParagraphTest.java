// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ParagraphTest {
    @Test
    void wrapped_label_indentsTheFollowingLines() {
        assertThat(Paragraph.wrapped(7, "label\t" + "word ".repeat(20).strip() + "\n\tmore\n\nend"))
                .isEqualTo("label  " + "word ".repeat(14).strip() + "\n       "
                        + "word ".repeat(6).strip() + "\n       more\n\nend\n");
    }

    @Test
    void wrapped_severalTabs_onlyTheFirstEndsALabel() {
        assertThat(Paragraph.wrapped(7, "label\tone\ttwo\t3")).isEqualTo("label  one two 3\n");
    }

    @Test
    void wrapped_numbersAndPunctuation_areNotBroken() {
        assertThat(Paragraph.wrapped("x".repeat(70) + " diff=0.1800/12:30 分"))
                .isEqualTo("x".repeat(70) + "\ndiff=0.1800/12:30 分\n");
    }

    @Test
    void wrapped_indentedLine_keepsItsIndentation() {
        assertThat(Paragraph.wrapped("    " + "word ".repeat(16).strip()))
                .isEqualTo("    " + "word ".repeat(15).strip() + "\n    word\n");
    }

    @Test
    void wrapped_longWord_isSplit() {
        assertThat(Paragraph.wrapped("  " + "x".repeat(100)))
                .isEqualTo("  " + "x".repeat(78) + "\n  " + "x".repeat(22) + "\n");
    }

    @Test
    void wrapped_wordsJoinedByNoBreakSpaces_areSplitLikeOneLongWord() {
        assertThat(Paragraph.wrapped("\u00a0a".repeat(45))).isEqualTo(" a".repeat(40) + "\n" + " a".repeat(5) + "\n");
    }

    @Test
    void wrapped_unprintableCharacters_areReplaced() {
        assertThat(Paragraph.wrapped("a\u001b[1m\u202eé🌋@|bold b|@")).isEqualTo("a?[1m?é🌋@|bold b|@\n");
    }
}
