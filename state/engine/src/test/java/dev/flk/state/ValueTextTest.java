// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import static dev.flk.state.RandomStates.reasonOf;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.state.StateException.Reason;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ValueTextTest {
    private static final int MAX = 1 << 20;

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "3.50 | 3.50",
                "-0 | -0",
                "1E5 | 1E5",
                "9223372036854775808 | 9223372036854775808",
                "{ \"b\" : 1 , \"a\" : [ ] } | {\"b\":1,\"a\":[]}",
                "{\"a\":1,\"a\":2} | {\"a\":1,\"a\":2}",
                "\" a \\\" b \\\\\" | \" a \\\" b \\\\\"",
                "\"\\u0000\\ud800\" | \"\\u0000\\ud800\"",
                "\"\uD83D\uDE00\" | \"\uD83D\uDE00\"",
            })
    void text_isUnchangedExceptForSpaceBetweenTokens(String json, String kept) {
        assertThat(ValueText.compact(json, MAX)).isEqualTo(kept);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                " ",
                "{",
                "[1,]",
                "{\"a\"}",
                "01",
                "+1",
                ".5",
                "5.",
                "NaN",
                "nul",
                "'a'",
                "\"\t\"",
                "1 2",
                "{} x",
                "\"\\x\"",
                "\"\\u12\"",
                "\"\uD800\"",
                "//c\n1",
                "\uFEFF1",
                "1\u0000"
            })
    void invalidJson_isRefused(String json) {
        assertThat(reasonOf(() -> ValueText.compact(json, MAX))).isEqualTo(Reason.INVALID);
    }

    @Test
    void refusal_namesTheProblemAndItsPosition() {
        assertThatThrownBy(() -> ValueText.compact("[1,]", MAX))
                .hasMessageContaining("not valid JSON at character 3: expected a value");
        assertThatThrownBy(() -> ValueText.compact("{} {}", MAX)).hasMessageContaining("after the value");
    }

    @Test
    void compact_beyondALimit_isRefused() {
        assertThat(ValueText.compact("[".repeat(128) + "]".repeat(128), MAX)).hasSize(256);
        assertThat(reasonOf(() -> ValueText.compact("[".repeat(129) + "]".repeat(129), MAX)))
                .isEqualTo(Reason.INVALID);
        assertThat(ValueText.compact("1".repeat(1_000), MAX)).hasSize(1_000);
        assertThat(reasonOf(() -> ValueText.compact("1".repeat(1_001), MAX))).isEqualTo(Reason.INVALID);
        assertThat(reasonOf(() -> ValueText.compact("[1." + "1".repeat(999) + "]", MAX)))
                .isEqualTo(Reason.INVALID);
        assertThat(reasonOf(() -> ValueText.compact("\"\u00E9\u00E9\"", 5))).isEqualTo(Reason.VALUE_TOO_LARGE);
    }

    /** Checks that compacting a random value removes the white space between its tokens, and nothing else. */
    @Test
    void randomValues_loseOnlyTheirWhiteSpace() {
        for (long seed = 0; seed < 10_000; seed++) {
            StringBuilder spaced = new StringBuilder();
            StringBuilder plain = new StringBuilder();
            new RandomValues(new Random(seed), spaced, plain).value(0);
            assertThat(ValueText.compact(spaced.toString(), MAX))
                    .as("seed " + seed)
                    .isEqualTo(plain.toString());
        }
    }
}
