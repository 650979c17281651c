// SPDX-License-Identifier: Apache-2.0
package dev.flk.canonical;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class CanonicalDoubleTest {
    @ParameterizedTest
    @CsvSource({
        "0.0, 0.0",
        "-0.0, -0.0",
        "1.0, 1.0",
        "-1.5, -1.5",
        "100.0, 100.0",
        "123456.789, 123456.789",
        "0.1, 0.1",
        "0.0001, 0.0001",
        "0.00012345, 0.00012345",
        "9.999e-05, 9.999e-05",
        "0.000058, 5.8e-05",
        "1e-9, 1e-09",
        "-1e-9, -1e-09",
        "999999.999999999, 999999.999999999",
        "1000000.0, 1000000.0",
        "1234567.123456789, 1234567.123456789",
        "9007199254740993, 9007199254740992.0",
        "9999999999999998, 9999999999999998.0",
        "1e16, 1e+16",
        "12345678901234567000, 1.2345678901234567e+19",
        "1e22, 1e+22",
        "1e23, 1e+23",
        "9e22, 9e+22",
        "1e100, 1e+100",
        "1.7976931348623157e308, 1.7976931348623157e+308",
        "2.2250738585072014e-308, 2.2250738585072014e-308",
        "2.225073858507201e-308, 2.225073858507201e-308",
        "4.9e-324, 5e-324",
        "1e-323, 1e-323",
        "0.30000000000000004, 0.30000000000000004",
        "2e-3, 0.002",
    })
    void print_isWhatPythonPrints(String literal, String printed) {
        assertThat(CanonicalDouble.print(Double.parseDouble(literal))).isEqualTo(printed);
    }

    @ParameterizedTest
    @CsvSource({
        "0x1p-44, 5.684341886080802e-14",
        "0x1p-43, 1.1368683772161603e-13",
        "0x1p-24, 5.960464477539063e-08",
        "0x1p63, 9.223372036854776e+18",
        "0x1p89, 6.189700196426902e+26",
        "2e23, 2e+23",
        "8.41e21, 8.41e+21",
        "2.0e-322, 2e-322",
    })
    void print_whereThePlatformHasADigitTooMany_isShortest(String literal, String printed) {
        assertThat(CanonicalDouble.print(Double.parseDouble(literal))).isEqualTo(printed);
    }

    @ParameterizedTest
    @CsvSource({
        "0.0, 0.0",
        "-0.0, -0.0",
        "1.0, 1.0",
        "0.1234567894, 0.123456789",
        "0.1234567896, 0.12345679",
        "4e-10, 0.0",
        "-4e-10, -0.0",
        "5e-10, 1e-09",
        "-5e-10, -1e-09",
        "5.000000000000001e-10, 1e-09",
        "1.5e-9, 1e-09",
        "4.9e-324, 0.0",
        "-4.9e-324, -0.0",
        "2097151.9999999998, 2097152.0",
        "8388607.123456789, 8388607.123456789",
        "8388608.123456789, 8388608.12345679",
        "1e300, 1e+300",
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
