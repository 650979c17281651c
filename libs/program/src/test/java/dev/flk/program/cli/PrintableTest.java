// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.program.json.Json;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class PrintableTest {
    private static final List<Integer> DANGEROUS = List.of(
            0x7f, 0x85, 0x9b, 0xad, 0x61c, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202e, 0x2066, 0x2069, 0xfeff,
            0xe0001);

    /** The number of characters in one object. */
    private static final int CHARACTERS = 256;

    @Test
    void inert_everyCharacter_keepsTheValueAndLeavesNothingRaw() throws Exception {
        for (int first = 0; first <= Character.MAX_CODE_POINT; first += CHARACTERS) {
            String json = IntStream.range(first, first + CHARACTERS)
                    .filter(c -> c >= 0x20
                            && c != '"'
                            && c != '\\'
                            && (c < Character.MIN_SURROGATE || c > Character.MAX_SURROGATE))
                    .mapToObj(c -> "\"" + Character.toString(c) + "\":1")
                    .collect(Collectors.joining(",", "{", "}"));
            String inert = Printable.json(json);
            assertThat(Json.parse(inert)).as("from U+%04X on", first).isEqualTo(Json.parse(json));
            assertThat(Printable.of(inert)).as("from U+%04X on", first).isEqualTo(inert);
        }
        for (int c : DANGEROUS) {
            assertThat(Printable.json("\"" + Character.toString(c) + "\"")).matches("\"(\\\\u[0-9a-f]{4}){1,2}\"");
        }
        assertThat(Printable.json("{\"a\":\t1,\r\n \"é😀\":2}")).isEqualTo("{\"a\":\t1, \n \"é😀\":2}");
    }

    @Test
    void output_rawJson_isInert() {
        StringBuilder out = new StringBuilder();
        new Output(out::append, true).print("x", Map.of("a", Json.raw("\"\u202e\u007f\"")), any -> "");

        assertThat(out).hasToString("{\"type\":\"x\",\"a\":\"\\u202e\\u007f\"}\n");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"=1+1", "+cmd|' /C calc'!A0", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "-", "=", "--1", "-1e"
            })
    void cell_formula_isText(String text) {
        assertThat(SpreadsheetCell.of(text)).startsWith("'").doesNotContain("\r");
    }

    @ParameterizedTest
    @ValueSource(strings = {"-1.5", "+2", "-1e-09", "1.5", "-.5", "", "pump 7", "a=b", "2026-01-01T00:00:00Z", "é"})
    void cell_numberOrOrdinaryText_isUnchanged(String text) {
        assertThat(SpreadsheetCell.of(text)).isEqualTo(text);
    }
}
