// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.flk.bench.Report.Measurement;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

final class MeasuredPagesTest {
    private static final Path ROOT = Path.of("..");

    private static String filled(String part) throws IOException {
        Measurement measurement = Measurement.read(Path.of("src/test/resources/dev/flk/bench/measurement.json"));
        String page = MeasuredPages.filled(
                "before\n<!-- bench: " + part + " -->\n| old |\n<!-- bench end -->\nafter\n", measurement);
        assertThat(page)
                .startsWith("before\n<!-- bench: " + part + " -->\n\n")
                .endsWith("\n\n<!-- bench end -->\nafter\n");
        assertThat(MeasuredPages.filled(page, measurement)).isEqualTo(page);
        return page.lines().filter(line -> line.matches("[|-].*")).reduce("", (all, line) -> all + line + "\n");
    }

    @Test
    void filled_suite_hasTheMediansOfItsRounds() throws IOException {
        assertThat(filled("batches")).isEqualTo("""
                        | certificates | a second | ± % | ratio | p50 ms | p99 ms | CPU µs | MiB |
                        |---|--:|--:|--:|--:|--:|--:|--:|
                        | singles, 64 connections | 20,000 | 27 | 1.00 | 1.500 | 4.00 | 32.4 | 610 |
                        | batches of 100 | 40,000 | 45 | 2.00 | 18.694 | 45.60 |  |  |
                        """);
    }

    /** The median of the ratios of the three rounds is 2.4, although the ratio of the medians is 2. */
    @Test
    void filled_targets_showWhatWasMissed() throws IOException {
        assertThat(filled("targets")).isEqualTo("""
                        | target | measured |
                        |---|--:|
                        | batches: batches of 100 / singles ≥ 2.5 | 2.40 **missed** |
                        | agent: forced appends a second ≥ 20,000 | 31,174 |
                        | agent: certificates drained a second ≥ 10,000 | 23,913 |
                        | peers: rate at 64 connections / bare Netty's ≥ 0.4 | 0.40 **missed** |
                        | peers: the same / Redis' ≥ 0.75 | 1.00 |
                        | sustained: memory at the end / at the beginning ≤ 1.1 | 1.07 |
                        | sustained: throughput at the end / at the beginning ≥ 0.8 | 0.85 |
                        """);
    }

    @Test
    void filled_readmeAndMachine_haveTheFiguresOfTheFile() throws IOException {
        assertThat(filled("readme"))
                .contains("| 40,000 certificates a second |", "| 21,495 · 21,501 · 8,836 · 4,126 a second |")
                .contains("| 497 MiB · 148 MiB |");
        assertThat(filled("machine")).contains("- cores: 2\n- measured: 3 rounds of 3.0 s after 2.0 s\n");
    }

    @Test
    void filled_suiteThatWasNotMeasured_isAnError() {
        assertThatThrownBy(() -> filled("restart")).hasMessage("the suite restart was not measured");
    }

    /** Compares the committed pages with the newest measurement, once there is one. */
    @Test
    void committedPages_haveTheFiguresOfTheCommittedMeasurement() throws IOException {
        Path directory = ROOT.resolve("docs/performance");
        assumeTrue(Files.isDirectory(directory), "docs/performance has no measurement yet");
        List<Path> files;
        try (Stream<Path> all = Files.list(directory)) {
            files = all.filter(file -> file.toString().endsWith(".json"))
                    .sorted()
                    .toList();
        }
        Measurement newest = Measurement.read(files.get(files.size() - 1));
        for (Path page : MeasuredPages.PAGES) {
            String text = Files.readString(ROOT.resolve(page));
            assertThat(text).contains("<!-- bench: ");
            assertThat(text)
                    .as("%s; run ./flk bench --report %s", page, files.get(files.size() - 1))
                    .isEqualTo(MeasuredPages.filled(text, newest));
        }
    }
}
