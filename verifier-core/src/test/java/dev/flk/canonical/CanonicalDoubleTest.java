// SPDX-License-Identifier: Apache-2.0
package dev.flk.canonical;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class CanonicalDoubleTest {
    /** Literals with CPython's text of the double. For some, {@code Double.toString} prints a digit too many. */
    @ParameterizedTest
    @CsvSource({
        "-0.0, -0.0",
        "100.0, 100.0",
        "0.0001, 0.0001",
        "9.999e-05, 9.999e-05",
        "1e-9, 1e-09",
        "1234567.123456789, 1234567.123456789",
        "9007199254740993, 9007199254740992.0",
        "1e16, 1e+16",
        "1e23, 1e+23",
        "9e22, 9e+22",
        "1.7976931348623157e308, 1.7976931348623157e+308",
        "4.9e-324, 5e-324",
        "0x1p-44, 5.684341886080802e-14",
        "0x1p89, 6.189700196426902e+26",
        "2e23, 2e+23",
        "2.0e-322, 2e-322",
    })
    void print_isWhatPythonPrints(String literal, String printed) {
        assertThat(CanonicalDouble.print(Double.parseDouble(literal))).isEqualTo(printed);
    }

    @ParameterizedTest
    @CsvSource({
        "-0.0, -0.0",
        "0.1234567896, 0.12345679",
        "4e-10, 0.0",
        "-4e-10, -0.0",
        "5e-10, 1e-09",
        "-5e-10, -1e-09",
        "5.000000000000001e-10, 1e-09",
        "1.5e-9, 1e-09",
        "-4.9e-324, -0.0",
        "2097151.9999999998, 2097152.0",
        "8388607.123456789, 8388607.123456789",
        "8388608.123456789, 8388608.12345679",
        "-1.7976931348623157e308, -1.7976931348623157e+308",
    })
    void round9_isWhatPythonRounds(String literal, String rounded) {
        assertThat(CanonicalDouble.print(CanonicalDouble.round9(Double.parseDouble(literal))))
                .isEqualTo(rounded);
    }

    @ParameterizedTest
    @CsvSource({
        // odd multiples of 1/1024 lie exactly between two multiples of 1e-9
        "1, 0.000976562",
        "3, 0.002929688",
        "5, 0.004882812",
        "7, 0.006835938",
        "-1, -0.000976562",
        "-3, -0.002929688",
    })
    void round9_exactTie_goesToEven(int odd, double rounded) {
        assertThat(CanonicalDouble.round9(odd / 1024.0)).isEqualTo(rounded);
    }

    @Test
    void round9_infiniteOrNaN_isReturnedUnchanged() {
        assertThat(CanonicalDouble.round9(Double.NEGATIVE_INFINITY)).isEqualTo(Double.NEGATIVE_INFINITY);
        assertThat(CanonicalDouble.round9(Double.NaN)).isNaN();
    }

    @ParameterizedTest
    @CsvSource({
        "1.45, 1.4500",
        "0.0, 0.0000",
        "-0.0, -0.0000",
        "-0.00001, -0.0000",
        "0.00005, 0.0001",
        "0.03125, 0.0312",
        "0.09375, 0.0938",
        "-0.03125, -0.0312",
        "2.00015, 2.0002",
        "1e22, 10000000000000000000000.0000",
        "4.9e-324, 0.0000",
    })
    void printFourDecimals_roundsTheExactValueTiesToEven(String literal, String printed) {
        assertThat(CanonicalDouble.printFourDecimals(Double.parseDouble(literal)))
                .isEqualTo(printed);
    }

    @ParameterizedTest
    @ValueSource(doubles = {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY})
    void print_notFinite_isRefused(double x) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> CanonicalDouble.print(x))
                .withMessageContaining(Double.toString(x));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> CanonicalDouble.printFourDecimals(x))
                .withMessageContaining(Double.toString(x));
    }
}
