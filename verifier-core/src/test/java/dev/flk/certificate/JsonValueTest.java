// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class JsonValueTest {
    @Test
    void parse_keepsOrderAndSpelling() throws MalformedCertificate {
        assertThat(parse("{\"r\":1.50E0, \"a\" : [null,true,-0], \"b\":{\"x\":\"\\u00e9\"}, \"c\":{}}"))
                .isEqualTo(new JsonValue.Members(List.of(
                        new JsonValue.Member("r", new JsonValue.Numeral("1.50E0")),
                        new JsonValue.Member(
                                "a",
                                new JsonValue.Array(List.of(
                                        new JsonValue.Literal("null"),
                                        new JsonValue.Literal("true"),
                                        new JsonValue.Numeral("-0")))),
                        new JsonValue.Member(
                                "b",
                                new JsonValue.Members(List.of(new JsonValue.Member("x", new JsonValue.Text("é"))))),
                        new JsonValue.Member("c", new JsonValue.Members(List.of())))));
    }

    @Test
    void isInteger_onlyWithoutFractionAndExponent() {
        assertThat(new JsonValue.Numeral("-12").isInteger()).isTrue();
        assertThat(new JsonValue.Numeral("1.0").isInteger()).isFalse();
        assertThat(new JsonValue.Numeral("1e3").isInteger()).isFalse();
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "[]", "7", "{", "{} {}", "{\"a\":}", "{\"a\":\"\\ud800\"}"})
    void parse_notAWellFormedObject_isRefused(String text) {
        assertThatExceptionOfType(MalformedCertificate.class).isThrownBy(() -> parse(text));
    }

    private static JsonValue.Members parse(String text) throws MalformedCertificate {
        return JsonValue.parse(text.getBytes(StandardCharsets.UTF_8));
    }
}
