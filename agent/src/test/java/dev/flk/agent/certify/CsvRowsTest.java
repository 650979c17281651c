// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.flk.agent.certify.CsvRows.MalformedCsv;
import dev.flk.agent.certify.CsvRows.Row;
import java.io.IOException;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class CsvRowsTest {
    @Test
    void next_plainFile_givesTheNumbers() throws Exception {
        assertThat(Rows.read("timestamp,x,y,z\n1517363399.650,-122.197,46.2035,3.28\n"))
                .containsExactly(new Row(1517363399.65, -122.197, 46.2035, 3.28));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"1,2,3,4", "1,2,3,4\n", "1,2,3,4\r\n", "\n\n1,2,3,4\n \n", " 1 ,\t2, 3,4 \n", "1.,2.0,30e-1,+4\n"
            })
    void next_sameRowWrittenInOtherWays_isTheSameRow(String rows) throws Exception {
        assertThat(Rows.read("timestamp,x,y,z\n" + rows)).containsExactly(new Row(1, 2, 3, 4));
    }

    @Test
    void header_withByteOrderMarkAndCrLf_isTaken() throws Exception {
        assertThat(Rows.read("\uFEFFtimestamp,x,y,z\r\n1,2,3,4\r\n")).hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "\n",
                "1,2,3,4\n",
                "time,x,y,z\n",
                "timestamp,x,y\n",
                "timestamp,x,y,z,w\n",
                "timestamp;x;y;z\n"
            })
    void header_missingOrOther_isRefusedWithTheRightOne(String file) {
        assertThatExceptionOfType(MalformedCsv.class)
                .isThrownBy(() -> Rows.read(file))
                .withMessageContaining("timestamp,x,y,z");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "NaN,2,3,4      | line 3: column timestamp: \"NaN\" is not a decimal number",
                "1,Infinity,3,4 | line 3: column x: \"Infinity\" is not a decimal number",
                "1,2,1e999,4    | line 3: column y: \"1e999\" is too large for a double",
                "1,2,3,         | line 3: column z: is empty; write a decimal number",
                "1,2,3,\"4\"    | line 3: column z: \"\"4\"\" is not a decimal number",
                "1,2,3,0x1p3    | line 3: column z: \"0x1p3\" is not a decimal number",
                "1,2,3,4f       | line 3: column z: \"4f\" is not a decimal number",
                "1,2,3          | line 3: expected 4 columns (timestamp,x,y,z), found 3",
                "1,2,3,4,5      | line 3: expected 4 columns (timestamp,x,y,z), found 5",
            })
    void next_brokenRow_namesLineAndColumn(String row, String message) {
        assertThatExceptionOfType(MalformedCsv.class)
                .isThrownBy(() -> Rows.read("timestamp,x,y,z\n1,2,3,4\n" + row + "\n"))
                .withMessage(message);
    }

    @Test
    void next_lineWithoutEnd_isRefusedBeforeItFillsMemory() {
        assertThatExceptionOfType(MalformedCsv.class)
                .isThrownBy(() -> Rows.read("timestamp,x,y,z\n" + "1".repeat(100_000)))
                .withMessageStartingWith("line 2: is longer than 4096 bytes");
    }

    @Test
    void next_controlCharacters_areNotShown() {
        assertThatExceptionOfType(MalformedCsv.class)
                .isThrownBy(() -> Rows.read("timestamp,x,y,z\n1,2,3,\u001b[31m\n"))
                .withMessageContaining("\"?[31m\"");
    }

    @Test
    void next_localeWithCommaAndOtherDigits_readsTheSame() throws IOException, MalformedCsv {
        Locale before = Locale.getDefault();
        Locale.setDefault(Locale.forLanguageTag("ar-EG-u-nu-arab"));
        try {
            assertThat(Rows.read("timestamp,x,y,z\n1.5,2,3,4\n").get(0).text()).isEqualTo("1.5,2.0,3.0,4.0");
        } finally {
            Locale.setDefault(before);
        }
    }
}
