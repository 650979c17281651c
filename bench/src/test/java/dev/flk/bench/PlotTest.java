// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.bench.Plot.Curve;
import dev.flk.bench.Plot.Point;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.w3c.dom.Document;

class PlotTest {
    @Test
    void svg_isXmlWithAPathForEachCurve() throws Exception {
        String svg = new Plot()
                .panel(
                        "a < b",
                        List.of(
                                new Curve("one", List.of(new Point(1, 10), new Point(64, 40))),
                                new Curve("two", List.of(new Point(1, 20), new Point(64, 30)))))
                .svg();

        Document document = DocumentBuilderFactory.newInstance()
                .newDocumentBuilder()
                .parse(new ByteArrayInputStream(svg.getBytes(StandardCharsets.UTF_8)));
        assertThat(document.getElementsByTagName("path").getLength()).isEqualTo(2);
        assertThat(document.getElementsByTagName("circle").getLength()).isEqualTo(4);
        assertThat(document.getDocumentElement().getTextContent()).contains("a < b", "one", "two", "50");
    }

    @ParameterizedTest
    @CsvSource({"0.3, 0.5", "1, 1", "1.1, 2", "47000, 50000", "51000, 100000"})
    void axisLimit_isTheNextRoundNumber(double largest, double limit) {
        assertThat(Plot.axisLimit(largest)).isEqualTo(limit);
    }
}
