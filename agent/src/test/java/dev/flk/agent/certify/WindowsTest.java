// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.flk.agent.certify.Windows.Window;
import dev.flk.agent.csv.CsvRows.MalformedCsv;
import dev.flk.agent.csv.Rows;
import java.time.Duration;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class WindowsTest {
    /** The columns: the number of rows, and the numbers of rows of the windows, of which short ones have a mark. */
    @ParameterizedTest
    @CsvSource({
        "0, ''",
        "1, 1!",
        "19, 19!",
        "20, 20",
        "39, 39",
        "40, 40",
        "41, 41",
        "59, 59",
        "60, 40 20",
        "99, 40 59",
        "100, 40 40 20",
    })
    void byCount_rest_isAWindowOfItsOwnFromHalfAWindowOn(int rows, String windows) throws Exception {
        var cut = Rows.cut(Windows.byCount(40, 7), Rows.still(rows));

        assertThat(cut.stream()
                        .map(window -> window.rows().size() + (window.isShort() ? "!" : ""))
                        .collect(Collectors.joining(" ")))
                .isEqualTo(windows);
        assertThat(cut)
                .extracting(Window::number)
                .containsExactlyElementsOf(
                        LongStream.range(7, 7 + cut.size()).boxed().toList());
    }

    @ParameterizedTest
    @CsvSource({"1, 300", "2, 300", "3, 1500"})
    void byValues_windowFollowsTheNumberOfValues(int values, int rows) throws Exception {
        String header = "timestamp,x,y,z".substring(0, 9 + 2 * values) + "\n";
        String text = IntStream.range(0, 2 * rows)
                .mapToObj(i -> i + ",1".repeat(values) + "\n")
                .collect(Collectors.joining("", header, ""));

        assertThat(Rows.cut(Windows.byValues(0), text))
                .extracting(window -> window.rows().size())
                .containsExactly(rows, rows);
        assertThat(Windows.byValues(0).choice(values))
                .hasValueSatisfying(choice -> assertThat(choice).startsWith("of " + rows + " rows, "));
    }

    @Test
    void byCount_fewRowsAskedFor_isShort() throws Exception {
        assertThat(Rows.cut(Windows.byCount(15, 0), Rows.still(15)))
                .extracting(Window::isShort)
                .containsExactly(true);
    }

    @Test
    void byTime_rows_belongToTheWindowOfTheirTime() throws Exception {
        var cut = Rows.cut(
                Windows.byTime(Duration.ofSeconds(10)), "timestamp,x,y,z\n9.999,0,0,0\n10,0,0,0\n31,0,0,0\n35,0,0,0\n");

        assertThat(cut).extracting(Window::number).containsExactly(0L, 1L, 3L);
        assertThat(cut).extracting(window -> window.rows().size()).containsExactly(1, 1, 2);
    }

    @Test
    void byTime_fractionsOfASecond_beginTheirWindows() throws Exception {
        String rows = IntStream.range(0, 100)
                .mapToObj(i -> i / 10 + "." + i % 10 + ",0,0,0\n")
                .collect(Collectors.joining());

        var cut = Rows.cut(Windows.byTime(Duration.ofMillis(100)), "timestamp,x,y,z\n" + rows);

        assertThat(cut)
                .extracting(Window::number)
                .containsExactlyElementsOf(LongStream.range(0, 100).boxed().toList());
    }

    @ParameterizedTest
    @ValueSource(strings = {"-1", "1e300"})
    void byTime_negativeOrHugeTime_isRefused(String timestamp) {
        assertThatExceptionOfType(MalformedCsv.class)
                .isThrownBy(() ->
                        Rows.cut(Windows.byTime(Duration.ofSeconds(10)), "timestamp,x,y,z\n" + timestamp + ",0,0,0\n"))
                .withMessageStartingWith("line 2: ");
    }

    @Test
    void windows_impossibleSizes_areRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> Windows.byCount(0, 0));
        assertThatIllegalArgumentException().isThrownBy(() -> Windows.byCount(1, -1));
        assertThatIllegalArgumentException().isThrownBy(() -> Windows.byTime(Duration.ZERO));
    }
}
