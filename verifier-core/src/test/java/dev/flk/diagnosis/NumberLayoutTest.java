// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class NumberLayoutTest {
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "PYTHON         | 1.0      | 1.0  | 0.0001 | 1e-05    | 1.5e-07     | 1000000000000000.0 | 1e+16",
                "ECMASCRIPT     | 1        | 1    | 0.0001 | 0.00001  | 1.5e-7      | 1000000000000000 | 10000000000000000",
                "JAVA           | 1.0      | 1.0  | 1.0E-4 | 1.0E-5   | 1.5E-7      | 1.0E15 | 1.0E16",
                "DOTNET         | 1        | 1    | 0.0001 | 1E-05    | 1.5E-07     | 1E+15 | 1E+16",
                "RUST           | 1.0      | 1.0  | 0.0001 | 0.00001  | 1.5e-7      | 1000000000000000.0 | 1e16",
                "PHP            | 1        | 1    | 0.0001 | 1.0e-5   | 1.5e-7      | 1000000000000000 | 10000000000000000",
                "RUBY           | 1.0      | 1.0  | 0.0001 | 1.0e-05  | 1.5e-07     | 1000000000000000.0 | 1.0e+16",
                "PLAIN          | 1.0      | 1.0  | 0.0001 | 0.00001  | 0.00000015  | 1000000000000000.0 | 10000000000000000.0",
                "PLAIN_INTEGERS | 1        | 1    | 0.0001 | 0.00001  | 0.00000015  | 1000000000000000 | 10000000000000000",
                "PYTHON_INTEGERS| 1        | 1.0  | 0.0001 | 1e-05    | 1.5e-07     | 1000000000000000.0 | 1e+16",
                "FIXED          | 1.000000000 | 1.000000000 | 0.000100000 | 0.000010000 | 0.000000150 |"
                        + " 1000000000000000.000000000 | 10000000000000000.000000000",
                "AS_WRITTEN     | 1        | 1.0  | 1e-4   | 1e-5     | 1.5e-7      | 1e15 | 1e16",
            })
    void print_asTheLanguageDoes(
            NumberLayout layout,
            String integer,
            String one,
            String tenThousandth,
            String small,
            String smaller,
            String large,
            String larger) {
        assertThat(layout.print(1, "1", true, 9)).isEqualTo(integer);
        assertThat(print(layout, "1.0")).isEqualTo(one);
        assertThat(print(layout, "1e-4")).isEqualTo(tenThousandth);
        assertThat(print(layout, "1e-5")).isEqualTo(small);
        assertThat(print(layout, "1.5e-7")).isEqualTo(smaller);
        assertThat(print(layout, "1e15")).isEqualTo(large);
        assertThat(print(layout, "1e16")).isEqualTo(larger);
    }

    @ParameterizedTest
    @ValueSource(doubles = {1, 0.001, 0.000999, 9999999, 1e7, 1.5e-9, -0.25, -3e-5, 123456.789, 0, -0.0})
    void print_java_isWhatThisJavaPrints(double x) {
        assertThat(NumberLayout.JAVA.print(x, "", false, 0)).isEqualTo(Double.toString(x));
    }

    @Test
    void print_negativeZero() {
        assertThat(NumberLayout.ECMASCRIPT.print(-0.0, "", false, 0)).isEqualTo("0");
        assertThat(NumberLayout.DOTNET.print(-0.0, "", false, 0)).isEqualTo("-0");
        assertThat(NumberLayout.RUBY.print(-0.0, "", false, 0)).isEqualTo("-0.0");
    }

    @ParameterizedTest
    @CsvSource({
        "EXACT,           9, 0.1234567885, 0.123456788",
        "EXACT,           6, 0.1234567885, 0.123457",
        "EXACT,           0, 2.5,          2.0",
        "NONE,            0, 0.1234567885, 0.1234567885",
        "PRINTED_HALF_UP, 9, 0.1234567885, 0.123456789",
        "SCALED,          9, 0.1234567885, 0.123456789",
        "CUT,             9, 0.1234567889, 0.123456788",
        "CUT,             9, -0.1234567889, -0.123456788",
        "EXACT,           9, -1e-12,       -0.0",
        "SCALED,          9, 1e300,        1e300",
    })
    void rounding_roundsInItsWay(Rounding.Way way, int decimals, double x, double rounded) {
        assertThat(new Rounding(way, decimals).apply(x)).isEqualTo(rounded);
    }

    private static String print(NumberLayout layout, String literal) {
        return layout.print(Double.parseDouble(literal), literal, false, 9);
    }
}
