// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

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

    @ParameterizedTest
    @ValueSource(ints = {80, 81, 200})
    @Timeout(value = 10, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void wrapped_indentationAsWideAsALine_isLimited(int spaces) {
        assertThat(Paragraph.wrapped(" ".repeat(spaces) + "b")).isEqualTo(" ".repeat(40) + "b\n");
    }

    @Test
    void wrapped_otherSpacesAtTheBeginning_areKept() {
        assertThat(Paragraph.wrapped("    \u3000ポンプabc")).isEqualTo("    \u3000ポンプabc\n");
        assertThat(Paragraph.wrapped(7, "note\t\u2003hello")).isEqualTo("note   \u2003hello\n");
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
